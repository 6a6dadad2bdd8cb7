/**
 * `npm test`, also as the first command on a fresh clone: gets packages, build and the small model, then runs node's
 * test runner over every *.test.ts. Ends with the runner's own count.
 *
 *   npm test                  everything but the larger models
 *   npm test -- src/cache     files whose path contains `src/cache`; several may be given
 *   npm test -- --large       the tests with qwen2.5-coder-0.5b too
 *
 * Any other option goes to the runner (`--test-name-pattern=...`).
 */
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { build, pull, root, run } from './setup.mjs'

const args = process.argv.slice(2)
const large = args.includes('--large')
const options = args.filter((arg) => arg.startsWith('-') && arg !== '--large')
const parts = args.filter((arg) => !arg.startsWith('-'))

const list = (folder, recursive) => readdirSync(join(root, folder), { recursive }).map((name) => join(folder, name))
const files = [...list('src', true), ...list('test', true), ...list('bench', false)]
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
  .sort()
if (files.length === 0) {
  process.stderr.write(`no test file has ${parts.join(' or ')} in its path\n`)
  process.exit(2)
}

build()
const models = large
  ? ['smollm2-135m', 'qwen2.5-coder-0.5b']
  : (process.env.COMPACTOR_TEST_MODELS ?? 'smollm2-135m').split(',')
for (const model of models) pull(model)

// Files run side by side, and most of them compute with every core: more at once than cores only adds waiting.
const runner = ['--import', 'tsx', '--test', '--test-reporter=spec', `--test-concurrency=${availableParallelism()}`]
run(process.execPath, [...runner, ...options, ...files], {
  stdio: ['ignore', 'inherit', 'inherit'],
  env: { REQUIRE_BACKENDS: 'reference,native', ...process.env, COMPACTOR_TEST_MODELS: models.join(',') },
})
