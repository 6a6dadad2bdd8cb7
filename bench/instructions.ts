/**
 * Instructions of two kernels, counted: where time cannot be trusted, this shows that a change made them do more. Counts
 * of the AVX2 kernels by `valgrind --tool=callgrind`, with one thread, against those in instructions.json: more than 2 %
 * above is a failure, and less than half. They are the compiler's too: with another one, they are printed and nothing is compared.
 *
 *   npm run bench instructions -- [--write]
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { table } from './table.ts'

/** Of each kernel the function that is counted, with all that it calls. Lambdas in it are not to match: counting would stop there. */
const kernels = { attend: 'compactor::attend_task_avx2*', panel: '*::panel_task(void*, unsigned long, int)' } as const
type Kernel = keyof typeof kernels

interface Counts {
  readonly compiler: string
  readonly instructions: Readonly<Record<Kernel, number>>
}

const allowed = 1.02
const leastCredible = 0.5 // fewer are counts of something else
const countsFile = new URL('instructions.json', import.meta.url)
const program = fileURLToPath(new URL('instructions-of.ts', import.meta.url))

export const run = (args: string[]): void => {
  const { values } = parseArgs({ args, options: { write: { type: 'boolean', default: false } } })
  const counts: Counts = { compiler: compilerOf(), instructions: { attend: count('attend'), panel: count('panel') } }
  if (values.write) {
    writeFileSync(countsFile, `${JSON.stringify(counts, null, 2)}\n`)
    return
  }
  const before = JSON.parse(readFileSync(countsFile, 'utf8')) as Counts
  const isSame = before.compiler === counts.compiler
  const rows = (Object.keys(kernels) as Kernel[]).map((kernel) => {
    const [now, then] = [counts.instructions[kernel], before.instructions[kernel]]
    return [kernel, now.toLocaleString('en'), then.toLocaleString('en'), (now / then).toFixed(4)]
  })
  console.log(table(['kernel', 'instructions', 'before', 'ratio'], rows))
  if (!isSame) {
    console.log(`not compared: counts are of ${before.compiler}, the kernels here of ${counts.compiler}`)
    return
  }
  const worse = rows.filter(([, , , ratio]) => Number(ratio) > allowed).map(([kernel]) => kernel)
  const lost = rows.filter(([, , , ratio]) => Number(ratio) < leastCredible).map(([kernel]) => kernel)
  if (lost.length > 0)
    throw new Error(
      `${lost.join(' and ')}: less than half of the instructions before; is it still that kernel that is counted?`,
    )
  if (worse.length === 0) return
  console.error(
    `${worse.join(' and ')}: more instructions than before; if that is worth it, say why in the lab book and run with --write`,
  )
  process.exitCode = 1
}

const compilerOf = (): string =>
  spawnSync(process.env.CXX ?? 'c++', ['--version'], { encoding: 'utf8' }).stdout.split('\n')[0] ?? ''

const count = (kernel: Kernel): number => {
  const folder = mkdtempSync(join(tmpdir(), 'compactor-instructions-'))
  try {
    const { status, stderr, error } = spawnSync(
      'valgrind',
      [
        ...['--tool=callgrind', `--callgrind-out-file=${join(folder, 'out')}`, `--toggle-collect=${kernels[kernel]}`],
        ...[process.execPath, '--import', 'tsx', program, kernel],
      ],
      { encoding: 'utf8' },
    )
    if (error) throw new Error(`valgrind cannot be run (${error.message}); install it, for example with apt-get`)
    const collected = Number(/Collected\s*:\s*(\d+)/.exec(stderr)?.[1] ?? 0)
    if (status !== 0 || collected === 0)
      throw new Error(`valgrind counted nothing of ${kernels[kernel]}:\n${stderr.split('\n').slice(-12).join('\n')}`)
    return collected
  } finally {
    rmSync(folder, { recursive: true })
  }
}
