/** A value, or the promise of one. What is known needs no promise: each costs a known user's request some of its speed. */
export type Soon<T> = T | Promise<T>

/** Goes on with a value, at once when it is there. */
export function soon<T, U>(value: Soon<T>, next: (value: T) => Soon<U>): Soon<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/** What an attempt gives; where it throws or rejects, what `mend` makes of that, which may throw in turn. */
export function orElse<T>(attempt: () => Soon<T>, mend: (thrown: unknown) => Soon<T>): Soon<T> {
  try {
    const value = attempt()
    return value instanceof Promise ? value.catch(mend) : value
  } catch (thrown) {
    return mend(thrown)
  }
}
