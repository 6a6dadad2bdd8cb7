/** compactor eval report: one page from result folders alone. */
import { bytesText, countText } from './figures.ts'
import type { Terminal } from './terminal.ts'
import { checkOutput, type Output, writeOutput } from './write-output.ts'

interface ReportOptions {
  readonly output: Output
  readonly by: 'dataset' | 'data'
  readonly baseline?: string
}

export const reportRuns = async (
  folders: readonly string[],
  { output, ...tables }: ReportOptions,
  terminal: Terminal,
): Promise<void> => {
  await checkOutput(output)
  const { readRun, report } = await import('../eval/index.ts')
  const runs = await Promise.all(folders.map(readRun))
  const page = report(runs, tables)
  writeOutput(output, page, terminal)
  if (output.path === '-') return
  const contexts = runs.reduce((sum, run) => sum + run.contexts.length, 0)
  terminal.print(`written  ${output.path} (${bytesText(Buffer.byteLength(page))}, ${countText(contexts)} contexts)`)
}
