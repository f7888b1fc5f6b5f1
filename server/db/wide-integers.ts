import { type DataTypeNode, PostgresDialect, PostgresQueryCompiler, type QueryCompiler } from 'kysely';

/** PostgreSQL whose integers have 64 bits, as SQLite's have: a number that is out of every range is found nowhere, and is no fault. */
export class WideDialect extends PostgresDialect {
  override createQueryCompiler(): QueryCompiler {
    return new WideIntegers();
  }
}

class WideIntegers extends PostgresQueryCompiler {
  protected override visitDataType(node: DataTypeNode): void {
    if (node.dataType === 'integer') this.append('bigint');
    else super.visitDataType(node);
  }
}
