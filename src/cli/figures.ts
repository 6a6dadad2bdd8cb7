/** Tables, lists and times as the terminal shows them. */
import { bytesText } from '../number-text.ts'
import { printable } from '../shown.ts'

export { bytesText, countText, percentText } from '../number-text.ts'

export const secondsText = (seconds: number): string =>
  seconds < 10 ? `${seconds.toFixed(2)} s` : `${seconds.toFixed(1)} s`

/** Time left: 0:07, 12:34, 1:02:03. */
export const clockText = (seconds: number): string => {
  if (!Number.isFinite(seconds)) return '-:--'
  const whole = Math.ceil(seconds)
  const two = (value: number): string => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

/** What of a memory's bytes no budget changes; nothing to say where there is none. */
export const windowsText = (windowBytes: number): string =>
  windowBytes === 0 ? '' : `; ${bytesText(windowBytes)} of both in layers with a sliding window, which keep it whole`

/** Rows as aligned columns, each cell one printable line; a column of numbers is marked by '>' before its title and set to the right. */
export const tableText = (titles: readonly string[], values: readonly (readonly string[])[]): string => {
  const rows = values.map((row) => row.map(printable))
  const heads = titles.map((title) => title.replace(/^>/, ''))
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => (row[column] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? ''
        return titles[column]?.startsWith('>') ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return [line(heads), ...rows.map(line)].join('\n')
}

/** Facts under each other, names aligned. */
export const factsText = (facts: readonly (readonly [name: string, value: string])[]): string => {
  const width = Math.max(...facts.map(([name]) => name.length))
  return facts.map(([name, value]) => `${printable(name).padEnd(width)}  ${printable(value)}`).join('\n')
}
