/** What is used of the optional peer, which has no declarations where it is not installed. */
declare module 'kerberos' {
  interface KerberosClient {
    readonly contextComplete: boolean
    readonly username: string
    step(challenge: string): Promise<string | null>
    /** The end of a negotiation, for a user, whatever the challenge. */
    wrap(challenge: string, options: { readonly user: string }): Promise<string>
    unwrap(challenge: string): Promise<string | null>
  }
  const kerberos: {
    readonly GSS_MECH_OID_KRB5: number
    readonly GSS_MECH_OID_SPNEGO: number
    initializeClient(service: string, options: { readonly mechOID: number; readonly flags?: number; readonly principal?: string }): Promise<KerberosClient>
  }
  export default kerberos
}
