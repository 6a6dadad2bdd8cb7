/**
 * HTML from a template that escapes whatever is put into it, so that no text of a document or a result can become markup.
 * Only what is Html already goes in as it is. Not here: what a page looks like (page.ts).
 */

export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Lists are joined; `undefined` and `false` are nothing; a number that is not finite is a dash. */
export type Piece = Html | string | number | undefined | false | readonly Piece[]

export const html = (texts: TemplateStringsArray, ...pieces: readonly Piece[]): Html =>
  new Html(texts.map((text, i) => text + render(pieces[i])).join(''))

/**
 * For text between tags and in quoted attributes; not for scripts, styles or addresses. Control characters, which HTML
 * forbids and a terminal would obey, become their pictures: ␛ for escape. So do marks that would turn the reading direction
 * of what stands beside them.
 */
export const escapeHtml = (text: string): string =>
  text
    .replace(/[&<>"'`]/g, (character) => entities[character] ?? '')
    .replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) =>
      allowed.includes(character) ? character : pictureOf(character.charCodeAt(0)),
    )

const allowed = ['\n', '\t', '\r']

const pictureOf = (code: number): string =>
  code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? '␡' : '\ufffd'

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

const isList = (piece: Piece): piece is readonly Piece[] => Array.isArray(piece)

const render = (piece: Piece): string => {
  if (piece === undefined || piece === false) return ''
  if (piece instanceof Html) return piece.text
  if (isList(piece)) return piece.map(render).join('')
  if (typeof piece === 'number') return Number.isFinite(piece) ? String(piece) : '–'
  return escapeHtml(piece)
}
