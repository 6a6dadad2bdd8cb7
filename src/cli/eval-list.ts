/** compactor eval list: the names that an evaluation understands. */
import { methods } from '../index.ts'
import { tableText } from './figures.ts'
import type { Terminal } from './terminal.ts'

export const listEvaluation = async ({ json }: { readonly json: boolean }, terminal: Terminal): Promise<void> => {
  const { metrics, tasks } = await import('../eval/index.ts')
  if (json) {
    return terminal.printJson({
      tasks: tasks.map(({ name, summary, metric, maxNewTokens, lengths, options }) => {
        return { name, summary, metric, maxNewTokens, lengths, options }
      }),
      metrics: metrics.map(({ name, summary }) => ({ name, summary })),
      methods: methods.map(({ name, summary, options }) => ({ name, summary, options })),
    })
  }
  const taskRows = tasks.flatMap(({ name, summary, metric, lengths, options }) => [
    [name, lengths.join(', '), metric, summary],
    ...Object.entries(options).map(([option, { default: value, about }]) => [
      '',
      '',
      '',
      `  ${option}=${value}: ${about}`,
    ]),
  ])
  terminal.print(
    [
      tableText(['TASK', 'LENGTHS', 'METRIC', 'WHAT IS ASKED (--task-option)'], taskRows),
      tableText(
        ['METRIC', 'WHAT COUNTS'],
        metrics.map(({ name, summary }) => [name, summary]),
      ),
      tableText(
        ['METHOD', 'WHAT IS KEPT (options: compactor compress --help)'],
        methods.map(({ name, summary }) => [name, summary]),
      ),
    ].join('\n\n'),
  )
}
