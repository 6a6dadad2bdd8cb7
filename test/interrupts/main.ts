/**
 * Signals at random instants of pull, compress, ask and chat, and full disks under them, each a process of its own:
 * `npm run interrupts -- [--count 20] [--seed 1] [--of pull,compress,ask,chat] [--no-disk]`. After each the exit code must be
 * right, no file half there or left over, nothing left running, and the same command must come to what it comes to
 * undisturbed. Needs smollm2-135m in the home's models; the hub is one on loopback. Exit code 1 if anything was wrong. Not
 * part of the suite, which tries three fixed instants of each (cli-interrupt.test.ts).
 */
import { parseArgs } from 'node:util'
import { startLoopbackHub } from '../fixtures/loopback-hub.ts'
import { Chance } from '../fuzz/chance.ts'
import { type CommandName, commandNames, removePlace, repo, runWhole, served, type Whole } from './commands.ts'
import { tryFullDisk, whyNoTmpfs } from './full-disk.ts'
import { type SignalPlan, trySignals } from './signals.ts'

const readFlags = () => {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '20' },
      seed: { type: 'string', default: '1' },
      of: { type: 'string', default: commandNames.join(',') },
      'no-disk': { type: 'boolean', default: false },
    },
  })
  const of = values.of.split(',')
  const unknown = of.find((name) => !commandNames.some((known) => known === name))
  if (unknown !== undefined) throw new RangeError(`--of takes ${commandNames.join(', ')}, got ${unknown}`)
  const [count = 0, seed = 0] = [values.count, values.seed].map(Number)
  for (const [name, value] of Object.entries({ count, seed }))
    if (!Number.isInteger(value) || value < 0) throw new RangeError(`--${name} takes a whole number from 0`)
  return { of: of as CommandName[], count, seed, disk: !values['no-disk'] }
}

const signalTable = async (whole: Whole, { count, seed }: { count: number; seed: number }): Promise<string[]> => {
  const few = Math.ceil(count / 4)
  const plans: SignalPlan[] = [
    { signal: 'SIGINT', count },
    { signal: 'SIGINT', againAfterMs: 40, count: few },
    { signal: 'SIGTERM', count: few },
  ]
  const chance = new Chance(seed, commandNames.indexOf(whole.name))
  const wrong: string[] = []
  for (const plan of plans) {
    const row = await trySignals(whole, plan, () => chance.below(2 ** 16) / 2 ** 16)
    const what = plan.againAfterMs === undefined ? plan.signal : `${plan.signal} twice, ${plan.againAfterMs} ms apart`
    const cells = [whole.name, `${whole.spanMs.toFixed(0)} ms`, what, plan.count, row.early, row.stopped, row.through]
    console.log(`| ${[...cells, `${row.slowestEndMs.toFixed(0)} ms`, row.wrong.length].join(' | ')} |`)
    wrong.push(...row.wrong)
  }
  return wrong
}

const flags = readFlags()
await using hub = await startLoopbackHub(repo, [served])
hub.behaviour = 'slowly'
const wholes: Whole[] = []
for (const name of flags.of) wholes.push(await runWhole(name, hub))

const wrong: string[] = []
console.log('| command | takes | signal | instants | before it listened | stopped | through | slowest end | wrong |')
console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- |')
for (const whole of wholes) wrong.push(...(await signalTable(whole, flags)))

const skipped = flags.disk ? whyNoTmpfs() : '--no-disk was given'
if (skipped !== undefined) console.log(`\nfull disks: skipped, ${skipped}`)
else {
  console.log(
    '\n| command | writes | full disks | refused | done without | wrong |\n| --- | --- | --- | --- | --- | --- |',
  )
  for (const whole of wholes) {
    const row = await tryFullDisk(whole)
    const cells = [whole.name, `${(whole.writtenBytes / 1e6).toFixed(1)} MB`, row.refused + row.through]
    console.log(`| ${[...cells, row.refused, row.through, row.wrong.length].join(' | ')} |`)
    wrong.push(...row.wrong)
  }
}
for (const { place } of wholes) removePlace(place)
console.log(wrong.length === 0 ? '\nnothing was wrong' : `\n${wrong.join('\n')}`)
process.exit(wrong.length === 0 ? 0 : 1)
