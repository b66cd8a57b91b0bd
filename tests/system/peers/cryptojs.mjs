// A device with CryptoJS, as Node-RED flows and ESP8266 programs have it. Answers requests on standard input,
// a JSON object a line each: {"do":"seal","passphrase":…,"text":…}. Packages come from build-peers/.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const require = createRequire(fileURLToPath(new URL("../../../build-peers/peers.js", import.meta.url)));
const CryptoJS = require("crypto-js");
const { Hex, Base64, Utf8 } = CryptoJS.enc;

const base64 = (text, encoding = "utf8") => Buffer.from(text, encoding).toString("base64");

// What AES.encrypt() takes; `salt` is for vectors, without it CryptoJS draws one.
const options = (salt) => (salt === undefined ? {} : { salt: Hex.parse(salt) });

export const actions = {
    version: () => require("crypto-js/package.json").version,
    // AES.encrypt of the text's base64. `encoding` hex: of any bytes.
    seal: ({ passphrase, text, encoding, salt }) =>
        CryptoJS.AES.encrypt(base64(text, encoding), passphrase, options(salt)).toString(),
    // AES.encrypt of the text itself: what is not base64 inside.
    sealBare: ({ passphrase, text, salt }) => CryptoJS.AES.encrypt(text, passphrase, options(salt)).toString(),
    open: ({ passphrase, sealed }) =>
        Buffer.from(CryptoJS.AES.decrypt(sealed, passphrase).toString(Utf8), "base64").toString("utf8"),
    // The later form: AES-128-CBC with a raw key, the IV beside it.
    sealRaw: ({ key, text, encoding, iv }) => {
        const vector = iv === undefined ? CryptoJS.lib.WordArray.random(16) : Hex.parse(iv);
        const sealed = CryptoJS.AES.encrypt(base64(text, encoding), Hex.parse(key), { iv: vector });
        return { data: Base64.stringify(sealed.ciphertext), iv: Base64.stringify(vector) };
    },
};

if (process.argv[1] === fileURLToPath(import.meta.url))
    for await (const line of createInterface({ input: process.stdin })) {
        const request = JSON.parse(line);
        process.stdout.write(JSON.stringify(actions[request.do](request)) + "\n");
    }
