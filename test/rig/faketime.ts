import { readdirSync } from 'node:fs';

const multiarch = readdirSync('/usr/lib').find((name) => name.endsWith('-linux-gnu'));

/** Where Debian's package `faketime` has what a program is made to load. */
export const LIBFAKETIME = `/usr/lib/${multiarch}/faketime/libfaketime.so.1`;
