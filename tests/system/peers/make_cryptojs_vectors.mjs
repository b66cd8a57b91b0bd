// Writes tests/vectors/cryptojs.json on standard output: messages of the real crypto-js, under fixed salts and IVs.
import { createHash } from "node:crypto";
import { actions } from "./cryptojs.mjs";

const KEY = "2B7E151628AED2A6ABF7158809CF4F3C"; // the article's
const long = "x".repeat(255);

// request, name, pass-phrase, text, number, readings (name, type, value)
const texts = [
    ["data", "the article's", KEY, '{"data":{"value":300},"SEQN":121}', 121, [["value", "integer", 300]]],
    ["data", "a space and a newline", KEY, ' {"data" : {"value": 300 }, "SEQN" : 121 }\n', 121, [["value", "integer", 300]]],
    ["data", "every type", KEY, '{"SEQN":1,"data":{"t":-3.5,"n":-7,"on":true,"off":false,"s":"gr\u00fcn \u{1f600}","none":null}}', 1,
        [["t", "real", -3.5], ["n", "integer", -7], ["on", "boolean", 1], ["off", "boolean", 0], ["s", "text", "gr\u00fcn \u{1f600}"]]],
    ["data", "escapes", KEY, '{"data":{"a\\u00e9":"\\ud83d\\ude00"},"SEQN":2}', 2, [["a\u00e9", "text", "\u{1f600}"]]],
    ["data", "further members", KEY, '{"data":{"value":300}, "SEQN":700 , "msg":"IT WORKS!!" }', 700, [["value", "integer", 300]]],
    ["data", "the highest number", KEY, '{"data":{"v":1e3},"SEQN":9007199254740991}', 9007199254740991, [["v", "real", 1000]]],
    ["data", "the lowest number", KEY, '{"data":{"v":1},"SEQN":0}', 0, [["v", "integer", 1]]],
    ["data", "nested", KEY, '{"data":{"v":{"a":1}},"SEQN":3}', 3, [["", "undecoded", '{"data":{"v":{"a":1}},"SEQN":3}']]],
    ["data", "empty", KEY, '{"data":{},"SEQN":4}', 4, [["", "undecoded", '{"data":{},"SEQN":4}']]],
    ["data", "another pass-phrase", "correct horse \u00fc", '{"data":{"value":1},"SEQN":5}', 5, [["value", "integer", 1]]],
    ["data", "a pass-phrase of one character", "k", '{"data":{"value":1},"SEQN":5}', 5, [["value", "integer", 1]]],
    ["data", "a pass-phrase over many blocks of MD5", long, '{"data":{"value":1},"SEQN":5}', 5, [["value", "integer", 1]]],
    ["reset", "the article's", KEY, '{"SEQN":120}', 120, []],
    ["reset", "to zero", KEY, '{ "SEQN": 0 }', 0, []],
    ["reset", "to the highest", KEY, '{"SEQN":9007199254740991}', 9007199254740991, []],
    ["unsequenced", "an object", KEY, '{"value":300}', 0, [["value", "integer", 300]]],
    ["unsequenced", "data in it", KEY, '{"data":{"value":300}, "SEQN":700 , "msg":"IT WORKS!!" }', 0, [["value", "integer", 300]]],
    ["unsequenced", "data that is none", KEY.toLowerCase(), '{"data":1,"b":true}', 0, [["data", "integer", 1], ["b", "boolean", 1]]],
    ["unsequenced", "an integer", KEY, "300", 0, [["value", "integer", 300]]],
    ["unsequenced", "a real", KEY, "-23.5", 0, [["value", "real", -23.5]]],
    ["unsequenced", "nested", KEY, '{"a":[1]}', 0, [["", "undecoded", '{"a":[1]}']]],
];
// One of each length of the last block.
for (let length = 1; length <= 16; length++) {
    const text = `{"data":{"v":"${"y".repeat(length)}"},"SEQN":${length}}`;
    texts.push(["data", `${length} more`, KEY, text, length, [["v", "text", "y".repeat(length)]]]);
}

const hash = (base64) => createHash("sha256").update(Buffer.from(base64, "base64")).digest("hex");
const drawn = (number, size) => createHash("sha256").update(`cryptojs vector ${number}`).digest("hex").slice(0, 2 * size);

const cases = texts.map(([request, name, passphrase, text, number, readings], index) => {
    let body, sealed;
    if (request === "unsequenced") {
        body = actions.sealRaw({ key: passphrase, text, iv: drawn(index, 16) });
        sealed = body.data;
    } else {
        sealed = actions.seal({ passphrase, text, salt: drawn(index, 8) });
        body = { msg: sealed };
    }
    return { request, name, passphrase, text, body: JSON.stringify(body), hash: hash(sealed), number, readings };
});
const comment = `made by crypto-js ${actions.version()}: tests/system/peers/make_cryptojs_vectors.mjs`;
process.stdout.write(JSON.stringify({ comment, cases }, null, 1) + "\n");
