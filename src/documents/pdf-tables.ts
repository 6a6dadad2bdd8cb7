/**
 * Tables of East Asian characters (Adobe's CMaps), by which a PDF may name what it does not hold itself. They come with
 * the package `pdfjs-dist`, 40 MB that most people never need: used where it is installed, and missed by name elsewhere.
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** What the library asks its factory for. */
interface Asked {
  readonly kind: string // 'cMapUrl' for these tables, others for fonts and images, which text needs none of
  readonly filename: string
}

export interface CharacterTables {
  /** Names of tables that were needed and are not here. */
  readonly missing: ReadonlySet<string>
  /** Made by the library, once for each document. */
  readonly factory: new () => { fetch(asked: Asked): Promise<Uint8Array> }
}

const tablesFolder = (): string | undefined => {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('pdfjs-dist/package.json')), 'cmaps')
  } catch {
    return undefined // not installed
  }
}

/** @param folder of .bcmap files; undefined: there is none */
export const characterTables = (folder: string | undefined = tablesFolder()): CharacterTables => {
  const missing = new Set<string>()
  return {
    missing,
    factory: class {
      async fetch({ kind, filename }: Asked): Promise<Uint8Array> {
        const isName = /^[\w-]+\.bcmap$/.test(filename) // it comes out of the document
        if (kind !== 'cMapUrl' || !isName) throw new RangeError(`expected the name of a table, got ${kind}`)
        try {
          if (folder !== undefined) return new Uint8Array(await readFile(join(folder, filename)))
        } catch {
          // as good as not installed
        }
        missing.add(filename.replace(/\.bcmap$/, ''))
        throw new RangeError(`the table ${filename} is not here`)
      }
    },
  }
}
