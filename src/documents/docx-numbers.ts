/** The numbers that Word shows before paragraphs and headings and does not write into their text. */
import { type Attributes, attribute, localName, readXml } from './xml.ts'

interface Level {
  format: string // decimal, bullet, lowerLetter, …
  text: string // "%1.%2": the numbers of the levels that are shown
  start: number
}

export interface Numbering {
  /** What stands before the next paragraph of this list and level, with a space behind it; '' if nothing does. */
  next(list: string, level: number): string
}

/** numbering.xml of a DOCX; undefined if there is none. */
export const readNumbering = async (
  bytes: Uint8Array | undefined,
  options: { readonly name: string; readonly signal?: AbortSignal | undefined },
): Promise<Numbering> => {
  const abstract = new Map<string, Map<number, Level>>()
  const lists = new Map<string, string>()
  let [levels, level, list] = [new Map<number, Level>(), undefined as Level | undefined, '']
  const open = (tag: string, attributes: Attributes): void => {
    const value = attribute(attributes, 'val') ?? ''
    switch (localName(tag)) {
      case 'abstractNum':
        levels = new Map()
        abstract.set(attribute(attributes, 'abstractNumId') ?? '', levels)
        break
      case 'num':
        list = attribute(attributes, 'numId') ?? ''
        level = undefined
        break
      case 'abstractNumId':
        lists.set(list, value)
        break
      case 'lvl':
        level = { format: 'decimal', text: '', start: 1 }
        levels.set(Number(attribute(attributes, 'ilvl') ?? 0), level)
        break
      case 'numFmt':
        if (level) level.format = value
        break
      case 'lvlText':
        if (level) level.text = value
        break
      case 'start':
        if (level) level.start = Number(value) || 0
        break
    }
  }
  await readXml(bytes, { open }, options)
  return counting(abstract, lists)
}

const counting = (
  abstract: ReadonlyMap<string, ReadonlyMap<number, Level>>,
  lists: ReadonlyMap<string, string>,
): Numbering => {
  const counters = new Map<string, number[]>()
  return {
    next: (list, depth) => {
      const id = lists.get(list)
      const levels = id === undefined ? undefined : abstract.get(id)
      const level = levels?.get(depth)
      if (id === undefined || levels === undefined || level === undefined || level.format === 'none') return ''
      if (level.format === 'bullet') return '- '
      const counts = (counters.get(id) ?? []).slice(0, depth + 1) // deeper levels begin anew
      for (let i = 0; i < depth; i++) counts[i] ??= levels.get(i)?.start ?? 1
      counts[depth] = counts[depth] === undefined ? level.start : counts[depth] + 1
      counters.set(id, counts)
      const shown = level.text.replace(/%(\d)/g, (_, digit: string) => {
        const at = Number(digit) - 1
        return numberText(counts[at] ?? 1, levels.get(at)?.format ?? 'decimal')
      })
      return shown === '' ? '' : `${shown} `
    },
  }
}

const numberText = (value: number, format: string): string => {
  const upper = format.startsWith('upper')
  const text = /Letter$/.test(format) ? letters(value) : /Roman$/.test(format) ? roman(value) : String(value)
  return upper ? text.toUpperCase() : text
}

/** a, b, … z, aa, bb, as Word counts. */
const letters = (value: number): string =>
  value < 1 || value > 780 ? String(value) : String.fromCharCode(97 + ((value - 1) % 26)).repeat(Math.ceil(value / 26))

const numerals: readonly (readonly [number, string])[] = [
  ...([
    [1000, 'm'],
    [900, 'cm'],
    [500, 'd'],
    [400, 'cd'],
    [100, 'c'],
    [90, 'xc'],
    [50, 'l'],
    [40, 'xl'],
  ] as const),
  ...([
    [10, 'x'],
    [9, 'ix'],
    [5, 'v'],
    [4, 'iv'],
    [1, 'i'],
  ] as const),
]

const roman = (value: number): string => {
  if (value < 1 || value > 3999) return String(value)
  let [rest, text] = [value, '']
  for (const [worth, numeral] of numerals)
    while (rest >= worth) {
      text += numeral
      rest -= worth
    }
  return text
}
