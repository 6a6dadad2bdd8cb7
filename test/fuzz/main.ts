/**
 * Reads damaged files under AddressSanitizer and says what came of it:
 * `npm run fuzz -- [--target gguf,cctx,documents] [--count 10000] [--from 0] [--seed 1] [--plain] [--keep FOLDER] [--sentences]`
 * Each must be refused in a sentence, or accepted and computed with. Exit code 1 if one was neither; each such is printed
 * with the command that reads it again. Not part of the suite, which reads a few of each (fuzz.test.ts).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Report, Task } from './child.ts'
import { shapeOf } from './outcome.ts'
import { type Target, targets } from './trial.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Of one file. */
const longestMs = 10_000

const readFlags = () => {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', default: targets.join(',') },
      count: { type: 'string', default: '10000' },
      from: { type: 'string', default: '0' },
      seed: { type: 'string', default: '1' },
      keep: { type: 'string' },
      plain: { type: 'boolean', default: false },
      sentences: { type: 'boolean', default: false },
    },
  })
  const wanted = values.target.split(',')
  const unknown = wanted.find((name) => !targets.some((target) => target === name))
  if (unknown !== undefined) throw new RangeError(`--target takes ${targets.join(', ')}, got ${unknown}`)
  const [count, from, seed] = [values.count, values.from, values.seed].map(Number)
  for (const [name, value] of Object.entries({ count, from, seed }))
    if (!Number.isInteger(value) || Number(value) < 0) throw new RangeError(`--${name} takes a whole number from 0`)
  return { ...values, targets: wanted as Target[], count: count as number, from: from as number, seed: seed as number }
}

/** The addon built with AddressSanitizer, whose library must be there before node is. */
const sanitized = (): NodeJS.ProcessEnv => {
  execFileSync(process.execPath, ['scripts/build-native.mjs', '--asan', '--require'], { cwd: root, stdio: 'inherit' })
  const library = execFileSync(process.env.CXX ?? 'c++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim()
  return {
    COMPACTOR_KV_PREBUILD: fileURLToPath(new URL('../../.cache/asan', import.meta.url)),
    LD_PRELOAD: library,
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:quarantine_size_mb=32',
  }
}

const start = (task: Task, env: NodeJS.ProcessEnv): ChildProcess =>
  spawn(
    process.execPath,
    [
      '--max-old-space-size=1024',
      '--import',
      'tsx',
      fileURLToPath(new URL('./child.ts', import.meta.url)),
      JSON.stringify(task),
    ],
    { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', 'pipe', 'pipe'] },
  )

/** Runs one process to its end. → the index after the last one that it told of, and how it ended if not as it should. */
const watch = async (
  child: ChildProcess,
  from: number,
  onReport: (report: Report) => void,
): Promise<{ readonly next: number; readonly death: string | undefined }> => {
  let next = from
  let said = ''
  let isHanging = false
  const hang = (): void => {
    isHanging = true
    child.kill('SIGKILL')
  }
  let timer = setTimeout(hang, 6 * longestMs) // it starts, too
  child.stderr?.on('data', (text: Buffer) => {
    said = (said + text.toString()).slice(0, 6000)
  })
  const ended = new Promise<string | undefined>((resolve) =>
    child.once('close', (code, signal) => resolve(code === 0 ? undefined : `${signal ?? `exit code ${code}`}`)),
  )
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    clearTimeout(timer)
    const report = JSON.parse(line) as Report
    next = report.index + 1
    onReport(report)
    timer = setTimeout(hang, longestMs)
  }
  const end = await ended
  clearTimeout(timer)
  const death = isHanging ? `still reading after ${longestMs / 1000} s` : end && `${end}: ${said.trim()}`
  return { next, death }
}

const summarise = (reports: readonly Report[], target: Target): string => {
  const count = (kind: string): number => reports.filter((report) => report.kind === kind).length
  return `${target}: ${reports.length} files, ${count('refused')} refused, ${count('accepted')} accepted, ${count('failed')} failed`
}

const sentencesOf = (reports: readonly Report[]): string[] => {
  const shapes = new Map<string, { count: number; example: string }>()
  for (const report of reports) {
    if (report.kind !== 'refused') continue
    const shape = shapeOf(report.sentence)
    const known = shapes.get(shape)
    shapes.set(shape, { count: (known?.count ?? 0) + 1, example: known?.example ?? report.sentence })
  }
  return [...shapes.values()].sort((a, b) => b.count - a.count).map(({ count, example }) => `${count}\t${example}`)
}

/** Failures of one kind together, the first of each with the command that reads its file again. */
const failuresOf = (reports: readonly Report[], again: (index: number) => string): string[] => {
  const kinds = new Map<string, { readonly first: Report; readonly why: string; readonly indices: number[] }>()
  for (const report of reports) {
    if (report.kind !== 'failed') continue
    const kind = shapeOf(report.why).slice(0, 160)
    const known = kinds.get(kind) ?? { first: report, why: report.why, indices: [] }
    known.indices.push(report.index)
    kinds.set(kind, known)
  }
  return [...kinds.values()]
    .sort((a, b) => b.indices.length - a.indices.length)
    .map(({ first, why, indices }) => {
      const files = `${indices.length} files, ${indices.slice(0, 5)}${indices.length > 5 ? ' …' : ''}`
      return `${files}: ${why}\n    (${first.what.join('; ')}; again: ${again(first.index)})`
    })
}

const readAll = async (task: Task, env: NodeJS.ProcessEnv): Promise<readonly Report[]> => {
  const reports: Report[] = []
  for (let from = task.from; from < task.to; ) {
    const { next, death } = await watch(start({ ...task, from }, env), from, (report) => reports.push(report))
    if (death === undefined) break
    if (next < task.to) reports.push({ index: next, what: [], kind: 'failed', why: `the process ended: ${death}` })
    from = next + 1
  }
  return reports
}

const flags = readFlags()
const env = flags.plain ? {} : sanitized()
const { seed, from, keep } = flags
const folder = mkdtempSync(join(tmpdir(), 'compactor-fuzz-'))
if (keep !== undefined) mkdirSync(keep, { recursive: true })
for (const target of flags.targets) {
  const begun = performance.now()
  const reports = await readAll({ target, seed, from, to: from + flags.count, keep, folder }, env)
  console.log(`${summarise(reports, target)}, ${((performance.now() - begun) / 1000).toFixed(1)} s`)
  const again = (index: number): string => `npm run fuzz -- --target ${target} --seed ${seed} --from ${index} --count 1`
  for (const line of failuresOf(reports, again)) console.log(`  ${line}`)
  if (flags.sentences) console.log(sentencesOf(reports).join('\n'))
  if (reports.some(({ kind }) => kind === 'failed')) process.exitCode = 1
}
rmSync(folder, { recursive: true })
