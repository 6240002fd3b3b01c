// Declares the parts of s3rver that the tests use; the package has no types.
declare module "s3rver" {
  // biome-ignore lint/style/noDefaultExport: it is what s3rver exports
  export default class S3rver {
    constructor(options: {
      readonly port: number;
      readonly address: string;
      readonly silent: boolean;
      readonly directory: string;
      readonly configureBuckets: readonly { readonly name: string; readonly configs: readonly string[] }[];
    });
    run(): Promise<{ readonly port: number }>;
    close(): Promise<void>;
  }
}
