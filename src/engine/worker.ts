/** The worker thread: takes requests, one at a time, and answers them from the session. */
import { parentPort } from 'node:worker_threads'
import { Control } from './control.ts'
import { type ReplyMessage, type RequestMessage, toWire } from './protocol.ts'
import { Session } from './session.ts'

if (!parentPort) throw new TypeError('engine/worker runs as a worker thread; use createEngine()')
const port = parentPort
const session = new Session()
const reply = (message: ReplyMessage): void => port.postMessage(message)

const answer = async ({ id, kind, request, control }: RequestMessage): Promise<void> => {
  try {
    const value = await session.handle(kind, request, {
      control: new Control(control),
      onPiece: (text, index) => reply({ id, type: 'piece', text, index }),
      onAnswered: (index, outcome) => reply({ id, type: 'answered', index, outcome }),
    })
    reply({ id, type: 'done', value })
  } catch (error) {
    reply({ id, type: 'error', error: toWire(error) })
  }
}

// The caller's side sends a request when the one before is answered (turns.ts).
port.on('message', answer)
