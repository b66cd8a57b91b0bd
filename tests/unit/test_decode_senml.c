/*
 * gateway/decode: SenML (RFC 8428), in JSON and CBOR.
 */
#include "decode_case.h"
#include "gateway/decode/decoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- RFC 8428, section 5.1: the examples ---- */

static const struct text_case rfc_examples[] = {
    {/* 5.1.1 */
     "[{\"n\":\"urn:dev:ow:10e2073a01080063\",\"u\":\"Cel\",\"v\":23.1}]",
     "urn:dev:ow:10e2073a01080063 Cel real:23.100000000000001 @now\n"},
    {/* 5.1.2, first */
     "[{\"bn\":\"urn:dev:ow:10e2073a01080063:\",\"n\":\"voltage\",\"u\":\"V\",\"v\":120.1},"
     "{\"n\":\"current\",\"u\":\"A\",\"v\":1.2}]",
     "urn:dev:ow:10e2073a01080063:voltage V real:120.09999999999999 @now\n"
     "urn:dev:ow:10e2073a01080063:current A real:1.2 @now\n"},
    {/* 5.1.2, second */
     "[{\"bn\":\"urn:dev:ow:10e2073a0108006:\",\"bt\":1.276020076001e+09,\"bu\":\"A\",\"bver\":5,"
     "\"n\":\"voltage\",\"u\":\"V\",\"v\":120.1},{\"n\":\"current\",\"t\":-5,\"v\":1.2},"
     "{\"n\":\"current\",\"t\":-4,\"v\":1.3},{\"n\":\"current\",\"v\":1.7}]",
     "urn:dev:ow:10e2073a0108006:voltage V real:120.09999999999999 @1276020076001000\n"
     "urn:dev:ow:10e2073a0108006:current A real:1.2 @1276020071001000\n"
     "urn:dev:ow:10e2073a0108006:current A real:1.3 @1276020072001000\n"
     "urn:dev:ow:10e2073a0108006:current A real:1.7 @1276020076001000\n"},
    {/* 5.1.3, resolved in 5.1.4 */
     "[{\"bn\":\"urn:dev:ow:10e2073a01080063\",\"bt\":1.320067464e+09,\"bu\":\"%RH\",\"v\":20},"
     "{\"u\":\"lon\",\"v\":24.30621},{\"u\":\"lat\",\"v\":60.07965},{\"t\":60,\"v\":20.3},"
     "{\"u\":\"%EL\",\"t\":150,\"v\":98}]",
     "urn:dev:ow:10e2073a01080063 %RH integer:20 @1320067464000000\n"
     "urn:dev:ow:10e2073a01080063 lon real:24.30621 @1320067464000000\n"
     "urn:dev:ow:10e2073a01080063 lat real:60.079650000000001 @1320067464000000\n"
     "urn:dev:ow:10e2073a01080063 %RH real:20.300000000000001 @1320067524000000\n"
     "urn:dev:ow:10e2073a01080063 %EL integer:98 @1320067614000000\n"},
    {/* 5.1.5 */
     "[{\"bn\":\"urn:dev:ow:10e2073a01080063:\",\"n\":\"temp\",\"u\":\"Cel\",\"v\":23.1},"
     "{\"n\":\"label\",\"vs\":\"Machine Room\"},{\"n\":\"open\",\"vb\":false},"
     "{\"n\":\"nfv-reader\",\"vd\":\"aGkgCg\"}]",
     "urn:dev:ow:10e2073a01080063:temp Cel real:23.100000000000001 @now\n"
     "urn:dev:ow:10e2073a01080063:label text:Machine Room @now\n"
     "urn:dev:ow:10e2073a01080063:open boolean:0 @now\n"
     "urn:dev:ow:10e2073a01080063:nfv-reader data:6869200a @now\n"},
    {/* 5.1.6 */
     "[{\"bn\":\"2001:db8::2/\",\"bt\":1.320078429e+09,\"n\":\"temperature\",\"u\":\"Cel\",\"v\":25.2},"
     "{\"n\":\"humidity\",\"u\":\"%RH\",\"v\":30},"
     "{\"bn\":\"2001:db8::1/\",\"n\":\"temperature\",\"u\":\"Cel\",\"v\":12.3},"
     "{\"n\":\"humidity\",\"u\":\"%RH\",\"v\":67}]",
     "2001:db8::2/temperature Cel real:25.199999999999999 @1320078429000000\n"
     "2001:db8::2/humidity %RH integer:30 @1320078429000000\n"
     "2001:db8::1/temperature Cel real:12.300000000000001 @1320078429000000\n"
     "2001:db8::1/humidity %RH integer:67 @1320078429000000\n"},
    {/* 5.1.7, first: a record of a base field alone */
     "[{\"bn\":\"urn:dev:ow:10e2073a01080063:\"},{\"n\":\"temp\",\"u\":\"Cel\",\"v\":23.1},"
     "{\"n\":\"heat\",\"u\":\"/\",\"v\":1},{\"n\":\"fan\",\"u\":\"/\",\"v\":0}]",
     "urn:dev:ow:10e2073a01080063:temp Cel real:23.100000000000001 @now\n"
     "urn:dev:ow:10e2073a01080063:heat / integer:1 @now\n"
     "urn:dev:ow:10e2073a01080063:fan / integer:0 @now\n"},
    {/* 5.1.7, third */
     "[{\"bt\":1.320078429e+09,\"bu\":\"/\",\"n\":\"2001:db8::3\",\"v\":0.5},"
     "{\"n\":\"2001:db8::4\",\"t\":0.1,\"v\":0}]",
     "2001:db8::3 / real:0.5 @1320078429000000\n"
     "2001:db8::4 / integer:0 @1320078429100000\n"},
};

static void test_rfc_examples(void **state)
{
    (void)state;
    check_text(SENML_JSON, rfc_examples, COUNT(rfc_examples));
}

/* RFC 8428 6: the dump of the second example of 5.1.2. */
static void test_rfc_example_cbor(void **state)
{
    static const struct hex_case example[] = {
        {"RFC 8428 6",
         "87 a7 21 78 1b 75 72 6e 3a 64 65 76 3a 6f 77 3a 31 30 65 32 30 37 33 61 30 31 30 38 30 30 36 3a"
         "22 fb 41 d3 03 a1 5b 00 10 62 23 61 41 20 05 00 67 76 6f 6c 74 61 67 65 01 61 56 02 fb 40 5e 06"
         "66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 24 02 fb 3f f3 33 33 33 33 33 33 a3 00 67 63 75"
         "72 72 65 6e 74 06 23 02 fb 3f f4 cc cc cc cc cc cd a3 00 67 63 75 72 72 65 6e 74 06 22 02 fb 3f"
         "f6 66 66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 21 02 f9 3e 00 a3 00 67 63 75 72 72 65 6e"
         "74 06 20 02 fb 3f f9 99 99 99 99 99 9a a3 00 67 63 75 72 72 65 6e 74 06 00 02 fb 3f fb 33 33 33"
         "33 33 33",
         "urn:dev:ow:10e2073a0108006:voltage V real:120.09999999999999 @1276020076001000\n"
         "urn:dev:ow:10e2073a0108006:current A real:1.2 @1276020071001000\n"
         "urn:dev:ow:10e2073a0108006:current A real:1.3 @1276020072001000\n"
         "urn:dev:ow:10e2073a0108006:current A real:1.3999999999999999 @1276020073001000\n"
         "urn:dev:ow:10e2073a0108006:current A real:1.5 @1276020074001000\n"
         "urn:dev:ow:10e2073a0108006:current A real:1.6000000000000001 @1276020075001000\n"
         "urn:dev:ow:10e2073a0108006:current A real:1.7 @1276020076001000\n"},
    };

    (void)state;
    check_hex(SENML_CBOR, example, COUNT(example));
}

/* ---- SenML: the rules, in JSON ---- */

static const struct text_case senml_cases[] = {
    /* 4: base fields apply from their record on, and may change */
    {"[{\"n\":\"a\",\"v\":1},{\"bn\":\"b/"
     "\",\"bu\":\"m\",\"n\":\"a\",\"v\":1},{\"bu\":\"s\",\"n\":\"c\",\"v\":2},"
     "{\"bn\":\"\",\"n\":\"d\",\"u\":\"A\",\"v\":3}]",
     "a integer:1 @now\nb/a m integer:1 @now\nb/c s integer:2 @now\nd A integer:3 @now\n"},
    {"[{\"bu\":\"m\"},{\"n\":\"a\",\"u\":\"\",\"v\":1}]", "a integer:1 @now\n"},
    {"[{\"v\":1,\"n\":\"b\",\"bn\":\"a\"}]", "ab integer:1 @now\n"},
    {"[{\"bv\":10,\"n\":\"a\",\"v\":1},{\"n\":\"a\",\"v\":2.5},{\"bv\":0.5,\"n\":\"a\",\"v\":2}]",
     "a integer:11 @now\na real:12.5 @now\na real:2.5 @now\n"},
    {"[{\"bs\":10,\"n\":\"a\",\"s\":1.5},{\"n\":\"b\",\"s\":-10}]", "a sum:11.5 @now\nb sum:0 @now\n"},
    {"[{\"n\":\"a\",\"v\":1,\"s\":2,\"u\":\"W\"}]", "a W integer:1 @now\na W sum:2 @now\n"},
    {"[{\"n\":\"a\",\"s\":2}]", "a sum:2 @now\n"},
    /* 4.5.4: what is missing counts as zero */
    {"[{\"bn\":\"a\",\"bv\":20},{\"t\":-1},{\"v\":1}]",
     "a integer:20 @1699999999000000\na integer:21 @now\n"},
    {"[{\"bn\":\"a\",\"bs\":20},{\"v\":1},{\"t\":0}]", "a integer:1 @now\na sum:20 @now\na sum:20 @now\n"},
    {"[{\"bn\":\"a\",\"bs\":20,\"bv\":1,\"t\":0}]", "a integer:1 @now\na sum:20 @now\n"},
    {"[{\"bn\":\"a\",\"bv\":20,\"s\":1}]", "a sum:1 @now\n"},
    {"[{\"bn\":\"a\",\"bv\":20,\"vs\":\"x\"},{\"vb\":true}]", "a text:x @now\na boolean:1 @now\n"},
    /* integers stay exact, and what does not fit is a real */
    {"[{\"n\":\"a\",\"v\":9223372036854775807},{\"n\":\"a\",\"v\":-9223372036854775808}]",
     "a integer:9223372036854775807 @now\na integer:-9223372036854775808 @now\n"},
    {"[{\"bv\":1,\"n\":\"a\",\"v\":9223372036854775807}]", "a real:9.2233720368547758e+18 @now\n"},
    {"[{\"bv\":1e308,\"n\":\"a\",\"v\":1e308}]", UNDECODED},
    {"[{\"bs\":1e308,\"n\":\"a\",\"s\":1e308}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":-0.0}]", "a real:-0 @now\n"},
    {"[{\"n\":\"a\",\"v\":1e400}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":9223372036854775808}]", UNDECODED},
    /* 4.5.3: times below 2^28 are relative */
    {"[{\"n\":\"a\",\"v\":1,\"t\":0}]", "a integer:1 @now\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":-60}]", "a integer:1 @1699999940000000\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":0.5}]", "a integer:1 @1700000000500000\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":268435455}]", "a integer:1 @1968435455000000\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":268435455.999999}]", "a integer:1 @1968435455999999\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":268435456}]", "a integer:1 @268435456000000\n"},
    {"[{\"bt\":268435456,\"n\":\"a\",\"v\":1,\"t\":-1}]", "a integer:1 @1968435455000000\n"},
    {"[{\"bt\":1e9,\"n\":\"a\",\"v\":1,\"t\":7},{\"n\":\"a\",\"v\":2},{\"bt\":0,\"n\":\"a\",\"v\":3}]",
     "a integer:1 @1000000007000000\na integer:2 @1000000000000000\na integer:3 @now\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":1600000000.0000014}]", "a integer:1 @1600000000000001\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":-0.0000006}]", "a integer:1 @1699999999999999\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":9000000000000}]", "a integer:1 @9000000000000000000\n"},
    {"[{\"n\":\"a\",\"v\":1,\"t\":9300000000000}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"t\":1e19}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"t\":-1e300}]", UNDECODED},
    {"[{\"bt\":9200000000000,\"n\":\"a\",\"v\":1,\"t\":9200000000000}]", UNDECODED},
    {"[{\"bt\":1e300},{\"n\":\"a\",\"v\":1}]", UNDECODED},
    /* 4.5.1: names */
    {"[{\"n\":\"0-:./_Az9\",\"v\":1}]", "0-:./_Az9 integer:1 @now\n"},
    {"[{\"bn\":\"a\",\"n\":\"_b\",\"v\":1}]", "a_b integer:1 @now\n"},
    {"[{\"v\":1}]", UNDECODED},
    {"[{\"n\":\"\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"_a\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a b\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a\xc3\xa9\",\"v\":1}]", UNDECODED},
    {"[{\"bn\":\"/\",\"n\":\"a\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1},{\"n\":\"b c\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"u\":\"\\u0007\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"u\":\"\xc2\xb5m\",\"v\":1}]", "a \xc2\xb5m integer:1 @now\n"},
    /* 4.4: extensions and versions */
    {"[{\"n\":\"a\",\"v\":1,\"x\":{\"y\":[1]},\"bx\":null,\"_y\":\"\"}]", "a integer:1 @now\n"},
    {"[{\"n\":\"a\",\"v\":1,\"x_\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"_\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"\":1}]", "a integer:1 @now\n"},
    {"[{\"bver\":10,\"n\":\"a\",\"v\":1}]", "a integer:1 @now\n"},
    {"[{\"bver\":11,\"n\":\"a\",\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1},{\"bver\":11}]", UNDECODED},
    {"[{\"bver\":0,\"n\":\"a\",\"v\":1}]", UNDECODED},
    {"[{\"bver\":5.5,\"n\":\"a\",\"v\":1}]", UNDECODED},
    {"[{\"bver\":\"10\",\"n\":\"a\",\"v\":1}]", UNDECODED},
    /* 4.2: exactly one value unless there is a sum */
    {"[{\"n\":\"a\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"t\":1}]", UNDECODED},
    {"[{\"ut\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"vs\":\"x\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"vb\":true,\"vd\":\"\",\"s\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"ut\":60}]", "a integer:1 @now\n"},
    /* packs without a reading */
    {"[{\"bn\":\"a\",\"bt\":1,\"bu\":\"m\",\"bv\":1,\"bs\":1,\"bver\":10}]", UNDECODED},
    {"[{}]", UNDECODED},
    {"[]", UNDECODED},
    {"{}", UNDECODED},
    {"[1]", UNDECODED},
    {"[[]]", UNDECODED},
    /* the types of table 1 */
    {"[{\"n\":1,\"v\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":\"1\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":true}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":null}]", UNDECODED},
    {"[{\"n\":\"a\",\"vs\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"vb\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"vd\":1}]", UNDECODED},
    {"[{\"n\":\"a\",\"s\":\"1\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"t\":\"1\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"ut\":\"1\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"bu\":1}]", UNDECODED},
    /* strings and data */
    {"[{\"n\":\"a\",\"vs\":\"\"}]", "a text: @now\n"},
    {"[{\"n\":\"a\",\"vs\":\"\\u00e9\\n\"}]", "a text:\xc3\xa9\n @now\n"},
    {"[{\"n\":\"a\",\"vs\":\"\\u0000\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"vd\":\"\"}]", "a data: @now\n"},
    {"[{\"n\":\"a\",\"vd\":\"-_8\"}]", "a data:fbff @now\n"},
    {"[{\"n\":\"a\",\"vd\":\"+/8\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"vd\":\"aGkgCg==\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"vd\":\"a\"}]", UNDECODED},
    /* what is not JSON */
    {"", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1}", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1}] x", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"v\":2}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":NaN}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"x\":\"\xff\"}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"x\":[[[[[[[[[[[[[[]]]]]]]]]]]]]]}]", "a integer:1 @now\n"},
    {"[{\"n\":\"a\",\"v\":1,\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}]", UNDECODED},
    {"[{\"n\":\"a\",\"v\":1,\"x\":\"[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[[\"}]", "a integer:1 @now\n"},
};

static void test_senml_rules(void **state)
{
    (void)state;
    check_text(SENML_JSON, senml_cases, COUNT(senml_cases));
}

/* ---- SenML in CBOR: what differs from JSON. {0: "t", …} is a? 00 6174 … ---- */

static const struct hex_case senml_cbor_cases[] = {
    {"half 23.40625 is 23.4", "81 a2 00 6174 02 f94dda", "t real:23.399999999999999 @now\n"},
    {"single", "81 a2 00 6174 02 fa41bb3333", "t real:23.399999999999999 @now\n"},
    {"double", "81 a2 00 6174 02 fb40377ae147ae147b", "t real:23.48 @now\n"},
    {"a double is not shortened", "81 a2 00 6174 02 fb4037666660000000", "t real:23.399999618530273 @now\n"},
    {"-0.0 as half", "81 a2 00 6174 02 f98000", "t real:-0 @now\n"},
    {"NaN", "81 a2 00 6174 02 f97e00", "t text:NaN @now\n"},
    {"Infinity", "81 a2 00 6174 02 f97c00", "t text:Infinity @now\n"},
    {"-Infinity as a single", "81 a2 00 6174 02 faff800000", "t text:-Infinity @now\n"},
    {"NaN and a base value", "81 a3 24 01 00 6174 02 fb7ff8000000000000", "t text:NaN @now\n"},
    {"Infinity + -Infinity", "81 a3 24 f97c00 00 6174 02 f9fc00", "t text:NaN @now\n"},
    {"a sum that is NaN", "81 a2 00 6174 05 f97e00", UNDECODED},
    {"base value and value are shortened", "81 a3 24 fa3dcccccd 00 6174 02 f94dda", "t real:23.5 @now\n"},
    {"a single as a sum", "81 a2 00 6174 05 fa41bb3333", "t sum:23.399999999999999 @now\n"},
    {"integer", "81 a2 00 6174 02 1b7fffffffffffffff", "t integer:9223372036854775807 @now\n"},
    {"least integer", "81 a2 00 6174 02 3b7fffffffffffffff", "t integer:-9223372036854775808 @now\n"},
    {"2^63", "81 a2 00 6174 02 1b8000000000000000", "t text:9223372036854775808 @now\n"},
    {"2^64-1", "81 a2 00 6174 02 1bffffffffffffffff", "t text:18446744073709551615 @now\n"},
    {"-2^64", "81 a2 00 6174 02 3bffffffffffffffff", "t text:-18446744073709551616 @now\n"},
    {"2^64-1 and a base value", "81 a3 24 01 00 6174 02 1bffffffffffffffff",
     "t real:1.8446744073709552e+19 @now\n"},
    {"-2^64 as a sum", "81 a2 00 6174 05 3bffffffffffffffff", "t sum:-1.8446744073709552e+19 @now\n"},
    {"an integer longer than need be", "81 a2 1800 6174 02 190005", "t integer:5 @now\n"},
    {"bignum", "81 a2 00 6174 02 c2 49 010000000000000000", "t text:18446744073709551616 @now\n"},
    {"negative bignum", "81 a2 00 6174 02 c3 49 010000000000000000", "t text:-18446744073709551617 @now\n"},
    {"small bignums", "82 a2 00 6174 02 c2 43 000100 a2 00 6174 02 c3 40",
     "t integer:256 @now\nt integer:-1 @now\n"},
    {"bignum in chunks", "81 a2 00 6174 02 c2 5f 4101 4100 ff", "t integer:256 @now\n"},
    {"bignum of 64 bytes",
     "81 a2 00 6174 02 c3 5840 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     "t "
     "text:-"
     "134078079299425970995740249982058461274793658205923933777235614437217640300735469768018742981669034"
     "27690031858186486050853753882811946569946433649006084096 @now\n"},
    {"bignum of 65 bytes",
     "81 a2 00 6174 02 c2 5841 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     UNDECODED},
    {"bignum of text", "81 a2 00 6174 02 c2 6131", UNDECODED},
    {"decimal fraction 273.15", "81 a2 00 6174 02 c4 82 21 196ab3", "t real:273.14999999999998 @now\n"},
    {"decimal fraction -27315e2", "81 a2 00 6174 02 c4 82 02 396ab2", "t real:-2731500 @now\n"},
    {"decimal fraction in an indefinite array", "81 a2 00 6174 02 c4 9f 20 0f ff", "t real:1.5 @now\n"},
    {"decimal fraction of 19 digits", "81 a2 00 6174 02 c4 82 31 1b112210f47de98115",
     "t real:1.2345678901234567 @now\n"},
    {"decimal fraction 5e-324", "81 a2 00 6174 02 c4 82 390143 05", "t real:4.9406564584124654e-324 @now\n"},
    {"decimal fraction 1e-(2^63)", "81 a2 00 6174 02 c4 82 3b7fffffffffffffff 01", "t real:0 @now\n"},
    {"decimal fraction 0e(2^63-1)", "81 a2 00 6174 02 c4 82 1b7fffffffffffffff 00", "t real:0 @now\n"},
    {"decimal fraction 1e309", "81 a2 00 6174 02 c4 82 190135 01", UNDECODED},
    {"decimal fraction of one", "81 a2 00 6174 02 c4 81 01", UNDECODED},
    {"decimal fraction of three", "81 a2 00 6174 02 c4 83 01 01 01", UNDECODED},
    {"decimal fraction of a float", "81 a2 00 6174 02 c4 82 01 f90000", UNDECODED},
    {"decimal fraction of a bignum", "81 a2 00 6174 02 c4 82 01 c2 4101", UNDECODED},
    {"bigfloat", "81 a2 00 6174 02 c5 82 20 03", UNDECODED},
    {"another tag", "81 a2 00 6174 02 c1 01", UNDECODED},
    {"true", "81 a2 00 6174 04 f5", "t boolean:1 @now\n"},
    {"false", "81 a2 00 6174 04 f4", "t boolean:0 @now\n"},
    {"null as boolean", "81 a2 00 6174 04 f6", UNDECODED},
    {"boolean as number", "81 a2 00 6174 02 f5", UNDECODED},
    {"float as boolean", "81 a2 00 6174 04 f90014", UNDECODED},
    {"data", "81 a2 00 6174 08 43 00ff01", "t data:00ff01 @now\n"},
    {"data as text", "81 a2 00 6174 08 6161", UNDECODED},
    {"text", "81 a2 00 6174 03 62c3a9", "t text:\xc3\xa9 @now\n"},
    {"text in chunks", "81 a2 00 6174 03 7f 6161 60 626263 ff", "t text:abc @now\n"},
    {"text in no chunks", "81 a2 00 6174 03 7f ff", "t text: @now\n"},
    {"text that is not UTF-8", "81 a2 00 6174 03 61ff", UNDECODED},
    {"text with a zero byte", "81 a2 00 6174 03 6100", UNDECODED},
    {"a chunk of the other type", "81 a2 00 6174 03 7f 4161 ff", UNDECODED},
    {"a chunk in chunks", "81 a2 00 6174 03 7f 7f 6161 ff ff", UNDECODED},
    {"chunks without an end", "81 a2 00 6174 03 7f 6161", UNDECODED},
    {"indefinite array and map", "9f bf 00 6174 02 01 ff ff", "t integer:1 @now\n"},
    {"name and base name in chunks", "81 a3 21 7f 6161 ff 00 7f 6162 ff 02 01", "ab integer:1 @now\n"},
    {"labels as text", "81 a2 616e 6174 6176 01", "t integer:1 @now\n"},
    {"the same label twice, spelled differently", "81 a3 00 6174 616e 6174 02 01", UNDECODED},
    {"the same label twice", "81 a3 00 6174 02 01 02 02", UNDECODED},
    {"unknown labels", "81 a6 00 6174 02 01 09 01 26 01 3bffffffffffffffff 01 6178 82 01 02",
     "t integer:1 @now\n"},
    {"unknown label with _", "81 a3 00 6174 02 01 62785f 01", UNDECODED},
    {"unknown label in chunks with _", "81 a3 00 6174 02 01 7f 6178 615f ff 01", UNDECODED},
    {"unknown label, deep", "81 a3 00 6174 02 01 09 8181818181818181818181818181818181 00", UNDECODED},
    {"unknown label, a break for its value", "81 bf 00 6174 02 01 09 ff", UNDECODED},
    {"label of bytes", "81 a3 00 6174 02 01 4178 01", UNDECODED},
    {"label null", "81 a3 00 6174 02 01 f6 01", UNDECODED},
    {"base fields", "82 a6 20 0a 21 61 61 22 1a5f5e1000 23 6143 24 1864 25 02 a3 00 6162 02 01 05 01",
     "ab C integer:101 @1600000000000000\nab C sum:3 @1600000000000000\n"},
    {"version 11", "81 a3 20 0b 00 6174 02 01", UNDECODED},
    {"version as float", "81 a3 20 f94900 00 6174 02 01", UNDECODED},
    {"time as a single is exact: 1600000000.1 is 1600000000 then", "81 a3 00 6174 02 01 06 fa4ebebc20",
     "t integer:1 @1600000000000000\n"},
    {"time as a single: 0.1 is 0.100000001", "81 a3 00 6174 02 01 06 fa3dcccccd",
     "t integer:1 @1700000000100000\n"},
    {"time as a single: 4194304.2 is 4194304", "81 a3 00 6174 02 01 06 fa4a800000",
     "t integer:1 @1704194304000000\n"},
    {"time as a half: 0.0999755859375", "81 a3 00 6174 02 01 06 f92e66", "t integer:1 @1700000000099976\n"},
    {"time as a double", "81 a3 00 6174 02 01 06 fb41d7d78400066666", "t integer:1 @1600000000100000\n"},
    {"time as a decimal fraction", "81 a3 00 6174 02 01 06 c4 82 25 1b0005af3107a4c5c1",
     "t integer:1 @1600000000050625\n"},
    {"time NaN", "81 a3 00 6174 02 01 06 f97e00", UNDECODED},
    {"time Infinity", "81 a3 00 6174 02 01 06 f97c00", UNDECODED},
    {"time 2^64-1", "81 a3 00 6174 02 01 06 1bffffffffffffffff", UNDECODED},
    {"time 2^63-1", "81 a3 00 6174 02 01 06 1b7fffffffffffffff", UNDECODED},
    {"base time NaN", "81 a3 22 f97e00 00 6174 02 01", UNDECODED},
    {"nothing", "", UNDECODED},
    {"an empty pack", "80", UNDECODED},
    {"an empty indefinite pack", "9f ff", UNDECODED},
    {"an empty record", "81 a0", UNDECODED},
    {"a map", "a0", UNDECODED},
    {"a pack of numbers", "81 01", UNDECODED},
    {"truncated (vector of messages.json)", "81 a2 00", UNDECODED},
    {"truncated pack", "82 a2 00 6174 02 01", UNDECODED},
    {"truncated indefinite pack", "9f a2 00 6174 02 01", UNDECODED},
    {"truncated indefinite record", "81 bf 00 6174 02 01", UNDECODED},
    {"a huge pack", "9bffffffffffffffff a2 00 6174 02 01", UNDECODED},
    {"a huge record", "81 bbffffffffffffffff 00 6174 02 01", UNDECODED},
    {"a huge text", "81 a2 00 7bffffffffffffffff 02 01", UNDECODED},
    {"a label without a value", "81 bf 00 ff", UNDECODED},
    {"bytes behind the pack", "81 a2 00 6174 02 01 00", UNDECODED},
    {"a good record, then a bad one", "82 a2 00 6174 02 01 a1 00 6174", UNDECODED},
};

static void test_senml_cbor(void **state)
{
    (void)state;
    check_hex(SENML_CBOR, senml_cbor_cases, COUNT(senml_cbor_cases));
}

/* Names and units are bounded: 255 bytes pass, 256 do not. */
static void test_senml_bounds(void **state)
{
    static const struct {
        size_t base_name;
        size_t name;
        size_t base_unit;
        size_t unit;
        int decodes;
    } cases[] = {
        {0, 255, 0, 0, 1},   {0, 256, 0, 0, 0}, {255, 0, 0, 0, 1}, {256, 0, 0, 0, 0}, {128, 127, 0, 0, 1},
        {128, 128, 0, 0, 0}, {0, 1, 255, 0, 1}, {0, 1, 256, 0, 0}, {0, 1, 0, 255, 1}, {0, 1, 0, 256, 0},
    };
    char many[257];
    char text[1024];

    (void)state;
    memset(many, 'a', sizeof(many));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct readings readings;
        int len = snprintf(text, sizeof(text),
                           "[{\"bn\":\"%.*s\",\"n\":\"%.*s\",\"bu\":\"%.*s\",\"u\":\"%.*s\",\"v\":1}]",
                           (int)cases[i].base_name, many, (int)cases[i].name, many, (int)cases[i].base_unit,
                           many, (int)cases[i].unit, many);
        readings_init(&readings);
        assert_int_equal(decode(SENML_JSON, (const uint8_t *)text, (size_t)len, NOW, &readings), 0);
        assert_int_equal(readings.count, 1);
        assert_int_equal(readings.items[0].type, cases[i].decodes ? READING_INTEGER : READING_UNDECODED);
        readings_wipe(&readings);
    }
}

/* A few bytes under a long base name make a whole reading: such a message stays one. */
static void test_message_that_says_too_much(void **state)
{
    struct bytes plaintext = {.len = 0};
    struct readings readings;

    (void)state;
    for (size_t count = 250; count <= 270; count += 20) { /* names of 250 bytes: 65,536 is between them */
        size_t at = 0;
        plaintext.at[at++] = 0x99;
        plaintext.at[at++] = (uint8_t)(count >> 8);
        plaintext.at[at++] = (uint8_t)count;
        for (size_t i = 0; i < count; i++) {
            if (i == 0) {
                memcpy(plaintext.at + at, "\xa3\x21\x78\xf9", 4);
                memset(plaintext.at + at + 4, 'b', 249);
                at += 4 + 249;
            } else {
                plaintext.at[at++] = 0xa2;
            }
            memcpy(plaintext.at + at, "\x00\x61\x6e\x02\x01", 5);
            at += 5;
        }
        plaintext.len = at;
        readings_init(&readings);
        assert_int_equal(decode(SENML_CBOR, plaintext.at, plaintext.len, NOW, &readings), 0);
        assert_int_equal(readings.count, count == 250 ? 250 : 1);
        assert_int_equal(readings.items[0].type, count == 250 ? READING_INTEGER : READING_UNDECODED);
        readings_wipe(&readings);
    }
}

/* Every prefix of a good pack fails, and no byte behind it is read. */
static void test_prefixes(void **state)
{
    static const char hex[] =
        "82 a7 20 0a 21 7f 6161 6162 ff 22 1a5f5e1000 23 6143 24 f94dda 00 6163 02 fa41bb3333"
        "a5 00 6164 02 c4 82 20 0f 05 c2 42 0100 06 20 6178 82 01 a1 6179 9f ff";
    static struct bytes bytes;
    size_t len;

    (void)state;
    from_hex(&bytes, hex);
    len = bytes.len;
    for (bytes.len = 0; bytes.len < len; bytes.len++)
        check_bytes("a prefix", SENML_CBOR, &bytes, UNDECODED);
    check_bytes(
        "a prefix", SENML_CBOR, &bytes,
        "abc C real:46.799999999999997 @1600000000000000\nabd C real:24.899999999999999 @1599999999000000\n"
        "abd C sum:256 @1599999999000000\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_examples), cmocka_unit_test(test_rfc_example_cbor),
        cmocka_unit_test(test_senml_rules),  cmocka_unit_test(test_senml_cbor),
        cmocka_unit_test(test_senml_bounds), cmocka_unit_test(test_message_that_says_too_much),
        cmocka_unit_test(test_prefixes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
