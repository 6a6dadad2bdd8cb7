/** The number by which the worker knows a context; kept outside the class, for requests that are about several of them. */
import type { Context } from './context.ts'

const handles = new WeakMap<Context, Promise<number>>()

export const rememberHandle = (context: Context, handle: Promise<number>): void => {
  handles.set(context, handle)
}

/** Undefined for what is no context of this package. */
export const handleOf = (context: Context): Promise<number> | undefined => handles.get(context)
