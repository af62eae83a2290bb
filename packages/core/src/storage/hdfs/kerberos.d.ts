/** What is used of the optional peer, which has no declarations where it is not installed. */
declare module 'kerberos' {
  interface KerberosClient {
    step(challenge: string): Promise<string>
  }
  const kerberos: {
    readonly GSS_MECH_OID_SPNEGO: number
    initializeClient(service: string, options: { readonly mechOID: number; readonly principal?: string }): Promise<KerberosClient>
  }
  export default kerberos
}
