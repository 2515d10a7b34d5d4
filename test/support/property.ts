import fc from 'fast-check'

/** Every run has the same cases, so that a failure is due to a change. PROPERTY_SEED selects other cases. */
fc.configureGlobal({ seed: Number(process.env.PROPERTY_SEED ?? 1) })

export { default } from 'fast-check'
