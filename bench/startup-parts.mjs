/** The parts of opening a saved context, one after another in a fresh process on the compiled code; see startup.ts. */
const [model, path] = process.argv.slice(2)
const parts = {}
let last = performance.now()
const lap = (name) => {
  parts[name] = performance.now() - last
  last = performance.now()
}

const { pullModel } = await import('../dist/index.js')
lap('loading modules')
const { createNativeOps } = await import('../dist/backends/native.js')
const ops = createNativeOps({ threads: 1 })
lap('loading the addon')
const { path: modelPath, sha256 } = await pullModel(model)
lap('finding the model, remembered checksum')
const { openModelFile } = await import('../dist/engine/model-file.js')
const file = openModelFile(ops, { path: modelPath, name: model, fingerprint: sha256 })
lap('mapping and reading the GGUF, tokenizer')
file.tokenizer.encode('What is the name of the station dog?')
lap('encoding the first question')
const { openSavedContext } = await import('../dist/engine/context-state.js')
const { block } = await openSavedContext(ops, file, path)
lap('mapping and checking the context')
if (block.documentTokens === 0) throw new RangeError('the context is empty')
process.stdout.write(`${JSON.stringify(parts)}\n`)
process.exit(0)
