/**
 * What a text of bytes may look like, as a tree that may refer back to itself. Not here: where a rule comes from
 * (json-schema.ts) and how a text is held against one (matcher.ts).
 */

export type Rule =
  | { readonly kind: 'literal'; readonly bytes: Uint8Array } // at least one
  | { readonly kind: 'byte'; readonly has: Uint8Array } // [256], 1 for each byte that may stand there
  | { readonly kind: 'sequence'; readonly items: readonly Rule[] }
  | { readonly kind: 'choice'; readonly options: readonly Rule[] }
  | { readonly kind: 'repeat'; readonly item: Rule; readonly least: number; readonly most: number } // item: not empty
  | { readonly kind: 'reference'; readonly target: () => Rule }

export const literal = (text: string): Rule => ({ kind: 'literal', bytes: new TextEncoder().encode(text) })

/** One byte out of ranges, each [first, last]. */
export const byteOf = (...ranges: readonly (readonly [first: number, last: number])[]): Rule => {
  const has = new Uint8Array(256)
  for (const [first, last] of ranges) has.fill(1, first, last + 1)
  return { kind: 'byte', has }
}

export const sequence = (...items: readonly Rule[]): Rule => ({ kind: 'sequence', items })
export const choice = (...options: readonly Rule[]): Rule => ({ kind: 'choice', options })
export const repeat = (item: Rule, least: number, most: number = Number.POSITIVE_INFINITY): Rule => ({
  kind: 'repeat',
  item,
  least,
  most,
})
export const optional = (item: Rule): Rule => choice(item, sequence())
export const reference = (target: () => Rule): Rule => ({ kind: 'reference', target })

/** The fewest bytes that each rule under `root` can be; Infinity where every text is endless. */
export const leastBytes = (root: Rule): ReadonlyMap<Rule, number> => {
  const least = new Map<Rule, number>()
  const collect = (rule: Rule): void => {
    if (least.has(rule)) return
    least.set(rule, Number.POSITIVE_INFINITY)
    for (const child of childrenOf(rule)) collect(child)
  }
  collect(root)
  for (let changed = true; changed; ) {
    changed = false
    for (const [rule, before] of least) {
      const now = leastOf(rule, (child) => least.get(child) ?? Number.POSITIVE_INFINITY)
      if (now === before) continue
      least.set(rule, now)
      changed = true
    }
  }
  return least
}

const childrenOf = (rule: Rule): readonly Rule[] => {
  switch (rule.kind) {
    case 'literal':
    case 'byte':
      return []
    case 'sequence':
      return rule.items
    case 'choice':
      return rule.options
    case 'repeat':
      return [rule.item]
    case 'reference':
      return [rule.target()]
  }
}

const leastOf = (rule: Rule, of: (child: Rule) => number): number => {
  switch (rule.kind) {
    case 'literal':
      return rule.bytes.length
    case 'byte':
      return 1
    case 'sequence':
      return rule.items.reduce((sum, item) => sum + of(item), 0)
    case 'choice':
      return Math.min(...rule.options.map(of))
    case 'repeat':
      return rule.least === 0 ? 0 : rule.least * of(rule.item)
    case 'reference':
      return of(rule.target())
  }
}
