/**
 * RULER's eight needle tasks: one generator, eight rows of parameters (those of its scripts/synthetic.yaml). Not here: the
 * wording (ruler-text.ts).
 */
import { createDraws, type Draws, different, growing } from './draws.ts'
import { essays } from './essays.ts'
import { createHaystack, type Haystack, sentencesOf } from './haystack.ts'
import { fillerLine, type NeedleKind, needleLine, niahPrompt, rulerExample } from './ruler-text.ts'
import { type Drafts, fitted, type Task } from './task.ts'
import { wordPair } from './words.ts'

export interface NiahParameters {
  /** `noise`: one filler line repeated. `essay`: prose. `needle`: lines like the needle with other keys. */
  readonly haystack: 'noise' | 'essay' | 'needle'
  readonly keyKind: NeedleKind
  readonly valueKind: NeedleKind
  readonly keys: number
  readonly valuesPerKey: number
  readonly keysAsked: number
}

export const niahParameters: Readonly<Record<string, NiahParameters>> = {
  niah_single_1: { haystack: 'noise', keyKind: 'words', valueKind: 'numbers', keys: 1, valuesPerKey: 1, keysAsked: 1 },
  niah_single_2: { haystack: 'essay', keyKind: 'words', valueKind: 'numbers', keys: 1, valuesPerKey: 1, keysAsked: 1 },
  niah_single_3: { haystack: 'essay', keyKind: 'words', valueKind: 'uuids', keys: 1, valuesPerKey: 1, keysAsked: 1 },
  niah_multikey_1: {
    haystack: 'essay',
    keyKind: 'words',
    valueKind: 'numbers',
    keys: 4,
    valuesPerKey: 1,
    keysAsked: 1,
  },
  niah_multikey_2: {
    haystack: 'needle',
    keyKind: 'words',
    valueKind: 'numbers',
    keys: 1,
    valuesPerKey: 1,
    keysAsked: 1,
  },
  niah_multikey_3: { haystack: 'needle', keyKind: 'uuids', valueKind: 'uuids', keys: 1, valuesPerKey: 1, keysAsked: 1 },
  niah_multivalue: {
    haystack: 'essay',
    keyKind: 'words',
    valueKind: 'numbers',
    keys: 1,
    valuesPerKey: 4,
    keysAsked: 1,
  },
  niah_multiquery: {
    haystack: 'essay',
    keyKind: 'words',
    valueKind: 'numbers',
    keys: 4,
    valuesPerKey: 1,
    keysAsked: 4,
  },
}

/** Places in an essay where a needle may stand, in percent of its sentences. */
export const needleDepths: readonly number[] = Array.from({ length: 40 }, (_, index) => Math.round((index * 100) / 39))

const places: Readonly<Record<NiahParameters['haystack'], string>> = {
  noise: 'in a repeated filler line',
  essay: 'in prose',
  needle: 'among lines of the same form',
}

const uuid = (draws: Draws): string => {
  const hex = Array.from({ length: 4 }, () => draws.integer(0, 0xffffffff).toString(16).padStart(8, '0')).join('')
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) & 3]
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
}

const makers: Readonly<Record<NeedleKind, (draws: Draws) => string>> = {
  numbers: (draws) => String(draws.integer(1_000_000, 9_999_999)),
  words: wordPair,
  uuids: uuid,
}

/** At each depth, smallest first, one needle: after that share of the sentences. */
const amongSentences = (text: string, needles: readonly string[], depths: readonly number[]): string => {
  const sentences = sentencesOf(text)
  const places = depths.map((depth) => Math.floor((sentences.length * depth) / 100))
  const pieces = needles.flatMap((needle, index) => [
    ...sentences.slice(index === 0 ? 0 : places[index - 1], places[index]),
    needle,
  ])
  return [...pieces, ...sentences.slice(places.at(-1))].join(' ')
}

/** @param places 0 … 1 for each needle: where among the lines it stands, never after the last. */
const amongLines = (lines: readonly string[], needles: readonly string[], places: readonly number[]): string => {
  const before = places.map((place) => Math.floor(place * lines.length))
  return lines.flatMap((line, index) => [...needles.filter((_, needle) => before[needle] === index), line]).join('\n')
}

interface Hidden {
  readonly needles: readonly string[]
  readonly query: string
  readonly answers: readonly string[]
  readonly evidence?: string
  /** The haystack of so many words or lines with the needles in it. */
  textOf(units: number): string
}

const hide = (parameters: NiahParameters, draws: Draws, prose: Haystack): Hidden => {
  const { haystack, keyKind, valueKind, keys, valuesPerKey, keysAsked } = parameters
  const nextKey = different(() => makers[keyKind](draws)) // a key that came twice would have two answers
  const nextValue = different(() => makers[valueKind](draws))
  const needleOf = (key: string, value: string): string => needleLine(valueKind, key, value)
  const pairs = Array.from({ length: keys }, () => ({
    key: nextKey(),
    values: Array.from({ length: valuesPerKey }, nextValue),
  }))
  const needles = draws.shuffle(pairs.flatMap(({ key, values }) => values.map((value) => needleOf(key, value))))
  const depths = draws.sample(needleDepths, needles.length).sort((a, b) => a - b)
  const places = needles.map(() => draws.integer(0, 0xffff) / 0x10000)
  const asked = draws.sample(pairs, keysAsked)
  const names = asked.map(({ key }) => key)
  const query = names.length === 1 ? names.join() : `${names.slice(0, -1).join(', ')}, and ${names.at(-1)}`
  const answers = asked.flatMap(({ values }) => values)
  const lines = growing(haystack === 'noise' ? () => fillerLine : () => needleOf(nextKey(), nextValue()))
  return {
    needles,
    query,
    answers,
    ...(answers.length === 1 ? { evidence: needleOf(query, answers.join()) } : {}),
    textOf: (units) =>
      haystack === 'essay'
        ? amongSentences(prose.take(units), needles, depths)
        : amongLines(lines(units), needles, places),
  }
}

const niahTask = (name: string, parameters: NiahParameters): Task => {
  const { haystack, valueKind, keys, valuesPerKey, keysAsked } = parameters
  const task: Task = {
    name: `ruler/${name}`,
    summary: `find ${keysAsked * valuesPerKey} of ${keys * valuesPerKey} ${valueKind} hidden ${places[haystack]}`,
    metric: 'ruler-all',
    maxNewTokens: 128,
    lengths: [4096],
    options: {},
    generate: (request) => {
      const prose = createHaystack(request.haystack ?? essays)
      const drafts = Array.from({ length: request.samples }, (_, index): Drafts => {
        const hidden = hide(parameters, createDraws(request.seed, task.name, index), prose)
        return {
          least: haystack === 'essay' ? 50 : 4,
          draft: (units) => {
            const prompt = niahPrompt(valueKind, hidden.answers.length === 1, hidden.textOf(units), hidden.query)
            return rulerExample({ ...hidden, task, request, index, prompt })
          },
        }
      })
      return fitted(task.name, request, drafts)
    },
  }
  return task
}

export const niahTasks: readonly Task[] = Object.entries(niahParameters).map(([name, row]) => niahTask(name, row))
