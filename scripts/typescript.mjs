/**
 * `node --import ./scripts/typescript.mjs`: runs TypeScript sources as they are, in worker threads too, which the plain
 * `--import tsx` does not reach on Node 20.
 */
import { register } from 'tsx/esm/api'

register()
