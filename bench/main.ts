/**
 * `npm run bench NAME -- …`: each file in this folder that exports `run` answers one question with one table and, where
 * it says so, one JSON file under results/. Without a name it lists them.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { CompactorError } from '../src/error.ts'

const folder = new URL('.', import.meta.url)

/** Names of the questions, each with the first sentence of its file. */
const questions = (): Map<string, string> =>
  new Map(
    readdirSync(folder)
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => [basename(file, '.ts'), readFileSync(new URL(file, folder), 'utf8')] as const)
      .filter(([, text]) => /^export (const|async function|function) run\b/m.test(text))
      .map(([name, text]) => [
        name,
        /^\/\*\*([\s\S]*?)[.:;]\s/
          .exec(text)?.[1]
          ?.replace(/[\s*]+/g, ' ')
          .trim() ?? '',
      ]),
  )

/** An option that there is not, a value that is none of its own, a model that is not here: a sentence is enough. */
const isWrongUse = (error: unknown): error is Error =>
  error instanceof RangeError ||
  error instanceof CompactorError ||
  (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))

const [name = '', ...args] = process.argv.slice(2)
const known = questions()
if (known.has(name)) {
  const { run } = (await import(new URL(`${name}.ts`, folder).href)) as { run(args: string[]): Promise<void> | void }
  try {
    await run(args)
  } catch (error) {
    if (!isWrongUse(error)) throw error
    process.stderr.write(`${name}: ${error.message}\n`)
    process.exitCode = 2
  }
} else {
  if (name) process.stderr.write(`no benchmark is called ${name}\n`)
  process.stderr.write('usage: npm run bench NAME -- OPTIONS\n')
  for (const [question, about] of known) process.stderr.write(`  ${question.padEnd(14)} ${about}\n`)
  process.exitCode = 2
}
