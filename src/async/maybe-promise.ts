/**
 * A value, or a promise of it. Cached results are returned without a promise, because one would slow down every
 * request.
 */
export type MaybePromise<T> = T | Promise<T>

/** Like `then`, but synchronous if the value is not a promise. */
export function chain<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** Like `catch`, but synchronous if `attempt` does not return a promise. `handle` may throw another error. */
export function recover<T>(
  attempt: () => MaybePromise<T>,
  handle: (thrown: unknown) => MaybePromise<T>,
): MaybePromise<T> {
  try {
    const value = attempt()
    return value instanceof Promise ? value.catch(handle) : value
  } catch (thrown) {
    return handle(thrown)
  }
}
