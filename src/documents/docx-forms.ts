/**
 * Fields of a form in a DOCX: boxes that are ticked or not, and lists of which one entry is chosen. Word shows them; no text
 * holds them.
 */
import { type Attributes, attribute } from './xml.ts'

/** What is said of one field between its tags. */
export class FormFields {
  #entries: string[] | undefined // of the list that is being read
  #isBox = false
  #values = new Map<string, string>()

  open(local: string, attributes: Attributes): void {
    const value = attribute(attributes, 'val')
    if (local === 'checkBox' || local === 'ddList') {
      this.#isBox = local === 'checkBox'
      this.#entries = this.#isBox ? undefined : []
      this.#values = new Map()
    } else if (local === 'listEntry') this.#entries?.push(value ?? '')
    else if (local === 'checked' || local === 'default' || local === 'result') this.#values.set(local, value ?? '1')
  }

  /** What stands there, '' for a tag that ends no field. */
  close(local: string): string {
    if (local === 'checkBox' && this.#isBox) {
      this.#isBox = false
      return isOn(this.#values.get('checked') ?? this.#values.get('default')) ? '☒ ' : '☐ '
    }
    if (local !== 'ddList' || this.#entries === undefined) return ''
    const chosen = this.#entries[Number(this.#values.get('result') ?? this.#values.get('default') ?? 0)]
    this.#entries = undefined
    return chosen ?? ''
  }
}

/** A switch of the format: on where it stands without a value. */
export const isOn = (value: string | undefined): boolean => value !== undefined && !/^(0|false|off)$/.test(value)
