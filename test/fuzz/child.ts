/**
 * The process that reads damaged files, one after another, so that its end is noticed by another (main.ts). For each it
 * writes a line to descriptor 3 before it goes on; the first file without a line is the one it died of.
 */
import { writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { judge, type Outcome } from './outcome.ts'
import { createTrial, type Target } from './trial.ts'

export interface Task {
  readonly target: Target
  readonly seed: number
  readonly from: number
  readonly to: number
  readonly keep: string | undefined
  readonly folder: string // for files that are read by path
}

/** What is told of each file. */
export type Report = Outcome & { readonly index: number; readonly what: readonly string[] }

/** More than this for one small file is a failure, whatever came of it. */
const mostGrowthBytes = 512 * 2 ** 20

const report = (line: Report): void => {
  writeSync(3, `${JSON.stringify(line)}\n`)
}

const task = JSON.parse(process.argv[2] ?? '{}') as Task
const trial = await createTrial(task.target, task.seed, task.folder)
for (let index = task.from; index < task.to; index++) {
  const file = trial.damage(index)
  if (task.keep !== undefined) writeFileSync(join(task.keep, `${task.target}-${task.seed}-${index}`), file.bytes)
  const before = process.resourceUsage().maxRSS
  const outcome = await judge(() => trial.read(file, index))
  const grownBytes = 1024 * (process.resourceUsage().maxRSS - before)
  const what = [file.base, ...file.what]
  if (grownBytes > mostGrowthBytes) report({ index, what, kind: 'failed', why: `took ${grownBytes} bytes of memory` })
  else report({ index, what, ...outcome })
}
await trial.dispose()
