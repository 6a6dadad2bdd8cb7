/** The head of a run's part of the report: everything that is needed to repeat it, and how much of it is done. */
import type { ContextResult, RunSettings } from '../result.ts'
import { type Html, html } from './html.ts'
import { counted, facts, folded, scrolling, table } from './page.ts'

const protocols: Readonly<Record<RunSettings['protocol'], string>> = {
  'context-only': 'the document is compressed alone, each question sees only what was kept',
  'joint-prefill':
    'the question is read with the whole document before anything is dropped; not comparable with context-only',
}

const measures: Readonly<Record<RunSettings['measures'][number], string>> = {
  distance: 'distance (teacher-forced on the full cache’s own answers)',
  score: 'score (answers generated greedily and judged)',
}

export const describeSettings = (settings: RunSettings, contexts: readonly ContextResult[]): Html => {
  const { model, machine, seed } = settings
  const planned = settings.data.reduce((sum, data) => sum + data.contexts.length, 0)
  const questions = contexts.reduce((sum, context) => sum + context.questions.length, 0)
  return html`${facts([
    ['protocol', html`<b>${settings.protocol}</b>: ${protocols[settings.protocol]}`],
    ['measures', settings.measures.map((measure) => measures[measure]).join('; ')],
    ['done', `${contexts.length} of ${counted(planned, 'context')}, ${counted(questions, 'question')}`],
    ['model', html`${model.name} <code>sha256 ${model.sha256}</code>`],
    ['template', html`<code>${model.templateHash}</code>`],
    ['seed', String(seed)],
    [
      'questions',
      `at most ${settings.questionsPerContext} of each context, at most ${counted(settings.maxNewTokens, 'new token')} each`,
    ],
    ['precision', `cache ${settings.precision}, activations ${settings.activations}`],
    [
      'machine',
      `${machine.cpu}, ${counted(machine.threads, 'thread')}, ${machine.features.join(' ') || 'no features named'}`,
    ],
    ['commit', html`<code>${settings.commit}</code>`],
  ])}
${describeData(settings)}
${describeVariants(settings)}`
}

const describeData = ({ data }: RunSettings): Html => {
  const rows = data.map(({ name, sha256, contexts }) => [
    html`<b>${name}</b>`,
    html`<code>${sha256}</code>`,
    html`${folded(counted(contexts.length, 'context'), html`<code>${contexts.join(' ')}</code>`)}`,
  ])
  const columns = [{ title: 'data' }, { title: 'sha256' }, { title: 'subset, in the order it is run' }]
  return html`<div class="settings">${scrolling('data of this run', table(columns, rows))}</div>`
}

const describeVariants = ({ variants }: RunSettings): Html => {
  const rows = variants.map(({ name, method, options, selection, keep }) => [
    html`<b>${name}</b>`,
    method,
    html`<code>${optionsText(options)}</code>`,
    `first ${selection.protectFirst}, last ${selection.protectLast}`,
    selection.heads,
    String(keep),
  ])
  const columns = [
    { title: 'variant' },
    { title: 'method' },
    { title: 'options' },
    { title: 'protected' },
    { title: 'heads' },
    { title: 'nominal keep', numeric: true },
  ]
  const content = html`<div class="settings">${scrolling('variants of this run', table(columns, rows))}</div>`
  return folded(`${counted(variants.length, 'variant')} with their options`, content)
}

const optionsText = (options: RunSettings['variants'][number]['options']): string =>
  Object.entries(options)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ') || 'none'
