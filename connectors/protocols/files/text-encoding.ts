/** Character encodings of uploaded files. `cp037` is EBCDIC. */
export const encodings = ["utf-8", "ascii", "iso-8859-1", "windows-1252", "cp037"] as const;

export type Encoding = (typeof encodings)[number];

/** Converts text to bytes. Returns undefined if the encoding lacks one of the characters. */
export type Encode = (text: string) => Buffer | undefined;

/**
 * EBCDIC, code page 37 (United States): the Latin-1 character for each byte, in hexadecimal.
 * Source: Python 3's `cp037`, generated from ftp.unicode.org, VENDORS/MICSFT/EBCDIC/CP037.TXT.
 */
const cp037 =
  "000102039c09867f978d8e0b0c0d0e0f101112139d8508871819928f1c1d1e1f" +
  "80818283840a171b88898a8b8c050607909116939495960498999a9b14159e1a" +
  "20a0e2e4e0e1e3e5e7f1a22e3c282b7c26e9eaebe8edeeefecdf21242a293bac" +
  "2d2fc2c4c0c1c3c5c7d1a62c255f3e3ff8c9cacbc8cdcecfcc603a2340273d22" +
  "d8616263646566676869abbbf0fdfeb1b06a6b6c6d6e6f707172aabae6b8c6a4" +
  "b57e737475767778797aa1bfd0dddeae5ea3a5b7a9a7b6bcbdbe5b5dafa8b4d7" +
  "7b414243444546474849adf4f6f2f3f57d4a4b4c4d4e4f505152b9fbfcf9faff" +
  "5cf7535455565758595ab2d4d6d2d3d530313233343536373839b3dbdcd9da9f";

const encoders = new Map<Encoding, Encode>();

/** Returns the encoder for an encoding. It never substitutes another character for one that the encoding lacks. */
export function encoderOf(encoding: Encoding): Encode {
  const encode = encoders.get(encoding) ?? createEncoder(encoding);
  encoders.set(encoding, encode);
  return encode;
}

function createEncoder(encoding: Encoding): Encode {
  if (encoding === "utf-8") return (text) => (text.isWellFormed() ? Buffer.from(text, "utf8") : undefined);
  const byteOf = new Map([...charactersOf(encoding)].map((character, byte) => [character, byte]));
  return (text) => {
    const bytes = Buffer.alloc(text.length);
    for (let i = 0; i < text.length; i++) {
      const byte = byteOf.get(text[i] as string);
      if (byte === undefined) return undefined;
      bytes[i] = byte;
    }
    return bytes;
  };
}

/** Returns the characters of a single-byte encoding in the order of their bytes. */
function charactersOf(encoding: Exclude<Encoding, "utf-8">): string {
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  switch (encoding) {
    case "ascii":
      return all.toString("latin1", 0, 128);
    case "iso-8859-1":
      return all.toString("latin1");
    case "windows-1252":
      return new TextDecoder("windows-1252").decode(all);
    case "cp037":
      return Buffer.from(cp037, "hex").toString("latin1");
  }
}
