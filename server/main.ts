#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { CommandFailure, openClient } from './cli/client.ts';
import { keepCompiled } from './cli/compile-cache.ts';
import { VERSION } from './version.ts';

const JSON_OPTION = ['--json', 'print JSON for scripts'] as const;
const { env } = process;

/** The `reprise` command. What a subcommand needs is loaded only when it is called. */
const reprise = new Command('reprise')
  .description('A build server: the same commit gives the same bytes.')
  .version(VERSION)
  .configureHelp({ showGlobalOptions: true })
  .exitOverride();

reprise
  .command('up')
  .description('start the server and its embedded runner')
  .action(() => serve({ withRunner: true }));
reprise
  .command('server')
  .description('start the server alone')
  .action(() => serve({ withRunner: false }));
reprise
  .command('runner')
  .description('start a runner for REPRISE_SERVER with REPRISE_RUNNER_TOKEN')
  .option('--die-with-parent', 'end when standard input is closed')
  .action(async (o) => {
    const { runnerProcess } = await import('@reprise/runner/main.ts');
    process.exitCode = await runnerProcess(env, o);
  });

reprise
  .command('init')
  .description('write a first .reprise.yml that fits what the directory holds')
  .argument('[directory]', '', '.')
  .option('--template <name>', 'node, python, static or make, instead of looking')
  .option(...JSON_OPTION)
  .action(async (directory, o) => {
    const { runInit } = await import('./cli/init.ts');
    process.exitCode = await runInit({
      directory,
      template: o.template,
      json: Boolean(o.json),
      out: console.log,
    });
  });
reprise
  .command('validate')
  .description('check a pipeline file; errors are printed as file:line:column')
  .argument('[file]', '', '.reprise.yml')
  .option(...JSON_OPTION)
  .action(async (file, o) => {
    const { runValidate } = await import('./cli/validate.ts');
    process.exitCode = await runValidate({
      file,
      json: Boolean(o.json),
      out: console.log,
      err: console.error,
    });
  });

const project = reprise.command('project').description('add, list and show projects');
project
  .command('add')
  .description('build a repository')
  .argument('<name>')
  .argument('<clone-url>')
  .option('--github <owner/name>', 'its name at GitHub, where the address does not tell')
  .option('--default-branch <branch>')
  .option('--deploy-key', 'make an SSH key for a private repository')
  .option('--token-stdin', 'read an access token for a private repository from standard input')
  .option(...JSON_OPTION)
  .action(async (name, url, o) =>
    (await import('./cli/project.ts')).addProject(openClient(env), name, url, o),
  );
project
  .command('list')
  .option(...JSON_OPTION)
  .action(async (o) => (await import('./cli/project.ts')).listProjects(openClient(env), o));
project
  .command('show')
  .argument('<name>')
  .option(...JSON_OPTION)
  .action(async (name, o) => (await import('./cli/project.ts')).showProject(openClient(env), name, o));

const user = reprise.command('user').description('add and list users, and make links to choose a password');
user
  .command('add')
  .description('add a user; prints the link with which they choose a password')
  .argument('<login>')
  .option('--name <text>', 'as it is shown; the login where none is given')
  .option(
    '--role <role>',
    'viewer, developer, deployer or admin of everything; none: only as member of projects',
  )
  .option('--github <login>', 'the GitHub account that may sign in as this user')
  .option(...JSON_OPTION)
  .action(async (login, o) => (await import('./cli/user.ts')).addUser(openClient(env), login, o));
user
  .command('list')
  .option(...JSON_OPTION)
  .action(async (o) => (await import('./cli/user.ts')).listUsers(openClient(env), o));
user
  .command('link')
  .description('make a link with which a user chooses a new password')
  .argument('<login>')
  .option(...JSON_OPTION)
  .action(async (login, o) => (await import('./cli/user.ts')).linkUser(openClient(env), login, o));

reprise
  .command('build')
  .description('build a branch, a tag or any commit')
  .argument('<project>')
  .argument('<ref>')
  .option('--reason <text>')
  .option('--pipeline <ref>', "use this ref's pipeline file")
  .option('--wait', 'follow it to its end; exit 1 unless it passed')
  .option(...JSON_OPTION)
  .action(async (name, ref, o) => (await import('./cli/build.ts')).buildRef(openClient(env), name, ref, o));
reprise
  .command('rebuild')
  .description('build the same commit again with the recorded plan and version')
  .argument('<project>')
  .argument('<number>')
  .option('--reason <text>')
  .option('--wait', 'follow it to its end; exit 1 unless it passed')
  .option(...JSON_OPTION)
  .action(async (name, number, o) =>
    (await import('./cli/build.ts')).rebuild(openClient(env), name, number, o),
  );
reprise
  .command('cancel')
  .argument('<project>')
  .argument('<number>')
  .option(...JSON_OPTION)
  .action(async (name, number, o) =>
    (await import('./cli/build.ts')).cancel(openClient(env), name, number, o),
  );
reprise
  .command('status')
  .description("every project's latest build, or a project's latest builds and what is live where")
  .argument('[project]')
  .option(...JSON_OPTION)
  .action(async (name, o) => (await import('./cli/build.ts')).status(openClient(env), name, o));
reprise
  .command('logs')
  .description("print a job's log")
  .argument('<project>')
  .argument('<number>')
  .argument('[job]')
  .option('-f, --follow', 'stay until the job has ended')
  .action(async (name, number, job, o) =>
    (await import('./cli/logs.ts')).printLog(openClient(env), {
      project: name,
      number,
      job,
      follow: Boolean(o.follow),
    }),
  );
reprise
  .command('download')
  .description("save a build's artifacts, checked against their digests")
  .argument('<project>')
  .argument('<number>')
  .option('--artifact <name>', 'only this one')
  .option('--output <directory>', 'where to save', '.')
  .option(...JSON_OPTION)
  .action(async (name, number, o) =>
    (await import('./cli/download.ts')).download(openClient(env), name, number, o),
  );

reprise
  .command('promote')
  .description("bring a build's artifact to an environment")
  .argument('<project>')
  .argument('<number>')
  .argument('<environment>')
  .requiredOption('--reason <text>', 'why, for the record')
  .option('--artifact <name>', 'which, where the build has several')
  .option('--confirm-older', 'it is meant to be older than what is live')
  .option('--wait', 'stay until it is carried out; exit 1 unless that passed')
  .option(...JSON_OPTION)
  .action(async (project, number, environment, o) =>
    (await import('./cli/promote.ts')).promote(openClient(env), { project, number, environment }, o),
  );
reprise
  .command('approve')
  .description('say yes to a promotion that somebody else asked for')
  .argument('<project>')
  .argument('<promotion>')
  .option('--comment <text>')
  .option('--wait', 'stay until it is carried out; exit 1 unless that passed')
  .option(...JSON_OPTION)
  .action(async (name, promotion, o) =>
    (await import('./cli/promote.ts')).approve(openClient(env), name, promotion, o),
  );
reprise
  .command('rollback')
  .description('bring back what was live and healthy before')
  .argument('<project>')
  .argument('<environment>')
  .requiredOption('--reason <text>', 'why, for the record')
  .option('--to <promotion>', 'an earlier promotion, instead of the one before')
  .option('--wait', 'stay until it is carried out; exit 1 unless that passed')
  .option(...JSON_OPTION)
  .action(async (project, environment, o) =>
    (await import('./cli/promote.ts')).rollBack(openClient(env), { project, environment }, o),
  );
reprise
  .command('verify-audit')
  .description("check that the server's audit, or an exported file of it, is whole and unchanged")
  .argument('[file]', 'an export (GET /api/audit/export) instead of the server')
  .option('--since <file>', 'a head kept earlier (GET /api/audit/head), which must be part of it')
  .option('--key <file>', "the server's public key in PEM, kept from GET /api/keys, instead of asking for it")
  .option(...JSON_OPTION)
  .action(async (file, o) =>
    (await import('./cli/verify-audit.ts')).checkAudit(() => openClient(env), file, o),
  );

reprise
  .command('backup')
  .description('copy the whole installation of REPRISE_DATA_DIR, while its server may be running')
  .requiredOption('--to <directory>', 'where to; a directory of its own for each backup')
  .option('--with-key', 'the secret key, too: whoever has the backup reads every stored secret')
  .option(...JSON_OPTION)
  .action(async (o) => (await import('./cli/backup.ts')).makeBackup(env, o));
reprise
  .command('restore')
  .description('make an installation of a backup in an empty REPRISE_DATA_DIR')
  .argument('<backup>')
  .option(...JSON_OPTION)
  .action(async (backup, o) => (await import('./cli/backup.ts')).restoreBackup(env, backup, o));
reprise
  .command('verify')
  .description(
    'check that the installation of REPRISE_DATA_DIR is whole: database, audit, artifacts and logs',
  )
  .option(...JSON_OPTION)
  .action(async (o) => (await import('./cli/backup.ts')).verifyInstallation(env, o));

reprise
  .command('migrate-engine')
  .description('move the stopped installation of REPRISE_DATA_DIR to DATABASE_URL, STORAGE_URL or both')
  .option(...JSON_OPTION)
  .action(async (o) => (await import('./cli/migrate-engine.ts')).migrateEngine(env, o));

try {
  await reprise.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

async function serve(o: { withRunner: boolean }): Promise<void> {
  keepCompiled(env);
  const command = await import('./cli/serve.ts');
  await command.serve(env, o);
}

/** 0 done, 1 the thing failed, 2 used wrongly. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof CommandFailure) {
    if (error.message) console.error(error.message);
    return error.exitCode;
  }
  console.error(error instanceof Error ? error.message : error);
  return 1;
}
