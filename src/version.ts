/** The package's version, from its package.json. */
import { createRequire } from 'node:module'

const manifest: { readonly version: string } = createRequire(import.meta.url)('../package.json')

export const version: string = manifest.version
