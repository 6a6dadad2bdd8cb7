/** Variants that differ in keep alone are one line on a chart: a family. Which families go on which chart. */
import type { VariantSettings } from '../result.ts'

/** What a line on a chart is: a variant without its keep. */
export const familyOf = (variant: string): string => variant.replace(/@[^@]*$/, '')

/** The families of a run in its order. */
export const familiesOf = (variants: readonly VariantSettings[]): string[] => [
  ...new Set(variants.map(({ name }) => familyOf(name))),
]

/** One family for each method: the one without options in its name, else the first. */
export const mainFamilies = (variants: readonly VariantSettings[]): string[] => {
  const methods = [...new Set(variants.map(({ method }) => method))]
  return methods.flatMap((method) => {
    const families = familiesOf(variants.filter((variant) => variant.method === method))
    return families.find((family) => family === method) ?? families[0] ?? []
  })
}

export interface OptionFamilies {
  readonly method: string
  readonly families: readonly string[]
}

/** Methods that ran with several options, each with `random` to compare: a chart of their own. */
export const optionFamilies = (variants: readonly VariantSettings[]): OptionFamilies[] => {
  const methods = [...new Set(variants.map(({ method }) => method))]
  return methods.flatMap((method) => {
    const families = familiesOf(variants.filter((variant) => variant.method === method))
    const random = variants.some(({ name }) => familyOf(name) === 'random') && method !== 'random' ? ['random'] : []
    return families.length > 1 ? [{ method, families: [...families, ...random] }] : []
  })
}
