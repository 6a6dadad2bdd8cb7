/**
 * One page for any number of runs, drawn from what they left on disk and nothing else. Not here: how rows are made of
 * answers (aggregate.ts) and where files are (the command's).
 */
import { type Summary, type SummaryOptions, type SummaryRow, summarise } from '../aggregate.ts'
import type { RunSettings } from '../result.ts'
import type { Run } from '../run-folder.ts'
import { curveStyles } from './curves.ts'
import { drawExamples } from './examples.ts'
import { familiesOf, mainFamilies, optionFamilies } from './families.ts'
import { type Html, html } from './html.ts'
import { drawKeptHeads } from './kept-heads.ts'
import { drawNeedleGrids } from './needle-grid.ts'
import { counted, folded, page } from './page.ts'
import { drawPlots, type PlotInput } from './plots.ts'
import { describeSettings } from './settings.ts'
import { drawSideBySide } from './side-by-side.ts'
import { drawSummary } from './summary.ts'

/** A page that loads nothing, as text. Runs stand one after another; their numbers are never mixed. */
export const report = (runs: readonly Run[], options: SummaryOptions = {}): string => {
  const names = [...new Set(runs.map(({ settings }) => settings.model.name))].join(', ')
  const title = `Compactor evaluation: ${runs.length === 0 ? 'no run' : names}`
  const links = runs.map((run, i) => html`<li><a href="#run-${i + 1}">${runTitle(run)}</a></li>`)
  const body = html`<h1>${title}</h1>
<p>How far compressed documents are from whole ones. Behind every mean stands its 95 % bootstrap interval over contexts; differences are paired: same questions, same template, same model. Scores are of 100.</p>
${runs.length === 0 && html`<p>No run was given, so there is nothing to show.</p>`}
${runs.length > 1 && html`<ol>${links}</ol>`}
${runs.map((run, i) => drawRun(run, { number: i + 1, options }))}`
  return page(title, body)
}

const runTitle = ({ settings, contexts }: Run): string =>
  `${settings.model.name}, ${settings.protocol}, ${counted(contexts.length, 'context')}`

const drawRun = (
  run: Run,
  { number, options }: { readonly number: number; readonly options: SummaryOptions },
): Html => {
  const { settings, contexts } = run
  const summary = summarise(settings, contexts, options)
  const parts: readonly (readonly [title: string, content: Html | undefined])[] = [
    ['Against bytes kept', drawAllPlots(settings, summary)],
    ['Side by side', drawSideBySide(summary.pooled)],
    ['Summary', drawSummary(summary)],
    ['Needle grid', drawNeedleGrids(settings, contexts)],
    ['Kept in each layer and head', drawKeptHeads(settings, contexts)],
    ['What was kept', drawExamples(settings, contexts)],
  ]
  return html`<section id="run-${number}">
<h2>${number}. ${runTitle(run)}</h2>
${describeSettings(settings, contexts)}
${contexts.length === 0 && html`<p>No context is finished yet.</p>`}
${contexts.length > 0 && parts.map(([title, content]) => content && html`<h3>${title}</h3>\n${content}\n`)}</section>
`
}

/** Pooled, then each data set, then a chart for each method that ran with several options. */
const drawAllPlots = ({ variants, precision }: RunSettings, { pooled, groups }: Summary): Html | undefined => {
  const style = curveStyles(familiesOf(variants), ['random'])
  const input = (
    name: string,
    rows: readonly SummaryRow[],
    families: readonly string[] = mainFamilies(variants),
  ): PlotInput => ({
    name,
    rows,
    families,
    style,
    precision,
  })
  const [first] = groups
  const all = groups.length === 1 && first ? input(first.name, first.rows) : input('pooled', pooled)
  const each =
    groups.length > 1
      ? drawPlots(groups.map(({ name, isTooHard, rows }) => input(isTooHard ? `${name} (apart)` : name, rows)))
      : undefined
  const options = optionFamilies(variants).flatMap(({ method, families }) => {
    const drawn = drawPlots([input(`${method}, pooled`, pooled, families)])
    return drawn ? [html`<h4>${method} with its options</h4>${drawn}`] : []
  })
  const plots = drawPlots([all])
  return plots && html`${plots}${options}${each && folded('Each data set', each)}`
}
