/** A value, or the promise of one. What is known needs no promise: each costs a known user's request some of its speed. */
export type MaybePromise<T> = T | Promise<T>

/** Goes on with a value, at once when it is there. */
export function chain<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** What an attempt gives; where it throws or rejects, what `fix` makes of that, which may throw in turn. */
export function recover<T>(attempt: () => MaybePromise<T>, fix: (thrown: unknown) => MaybePromise<T>): MaybePromise<T> {
  try {
    const value = attempt()
    return value instanceof Promise ? value.catch(fix) : value
  } catch (thrown) {
    return fix(thrown)
  }
}
