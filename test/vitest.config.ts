import { defineConfig } from 'vitest/config';

/** Root of the checkout. Tests start programs with `process.execPath`, so that they run on the pinned Node. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    reporters: ['default', './reporter.ts'],
    include: ['{unit,contract,integration,scenarios,faults,e2e}/**/*.test.ts'],
    globalSetup: ['./rig/setup.ts'],
    setupFiles: ['./rig/no-warnings.ts', './rig/needs.ts'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    pool: 'forks',
  },
});
