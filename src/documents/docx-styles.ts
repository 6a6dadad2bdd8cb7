/** What the styles of a DOCX say of a paragraph: whether it is a heading, and of which list. */
import { type Attributes, attribute, localName, readXml } from './xml.ts'

export interface ParagraphStyle {
  readonly outline: number | undefined // 0 is the highest heading
  readonly list: string | undefined
  readonly listLevel: number | undefined
}

export type Styles = ReadonlyMap<string, ParagraphStyle>

interface Raw {
  outline?: number
  list?: string
  listLevel?: number
  basedOn?: string
}

const deepestChain = 32

/** styles.xml of a DOCX; undefined if there is none. */
export const readStyles = async (
  bytes: Uint8Array | undefined,
  options: { readonly name: string; readonly signal?: AbortSignal | undefined },
): Promise<Styles> => {
  const raw = new Map<string, Raw>()
  let style: Raw = {}
  const open = (tag: string, attributes: Attributes): void => {
    const value = attribute(attributes, 'val') ?? ''
    const local = localName(tag)
    if (local === 'style') {
      style = {}
      raw.set(attribute(attributes, 'styleId') ?? '', style)
    } else if (local === 'name') {
      const level = /^heading ([1-9])$/i.exec(value)?.[1]
      if (level !== undefined) style.outline ??= Number(level) - 1
      else if (/^title$/i.test(value)) style.outline ??= 0
    } else if (local === 'outlineLvl') style.outline = Number(value)
    else if (local === 'numId') style.list = value
    else if (local === 'ilvl') style.listLevel = Number(value)
    else if (local === 'basedOn') style.basedOn = value
  }
  await readXml(bytes, { open }, options)
  const styles = new Map<string, ParagraphStyle>()
  for (const id of raw.keys()) styles.set(id, inherit(raw, id))
  return styles
}

const inherit = (raw: ReadonlyMap<string, Raw>, id: string): ParagraphStyle => {
  const found: Raw = {}
  let style = raw.get(id)
  for (let depth = 0; style !== undefined && depth < deepestChain; depth++) {
    found.outline ??= style.outline as number
    found.list ??= style.list as string
    found.listLevel ??= style.listLevel as number
    style = style.basedOn === undefined ? undefined : raw.get(style.basedOn)
  }
  return { outline: found.outline, list: found.list, listLevel: found.listLevel }
}
