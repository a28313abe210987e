// Compressed batches that other producers wrote, and what Kafka's consumers read from them: the count of records and
// headers, the time of the last record, and the CRC-32C of all keys and then all values. Streams by Python's libraries.

import Records

struct ForeignBatch: Sendable {
    let writer: String
    let compression: CompressionType
    let recordCount: Int
    let headerCount: Int
    let lastTimestamp: Int64
    let contentSum: UInt32
    let base64: [String]

    static let all: [ForeignBatch] = [
        ForeignBatch(
            writer: "Java", compression: .gzip, recordCount: 25, headerCount: 0, lastTimestamp: 1795242357062,
            contentSum: 0xf835_b938,
            base64: [
                "AAAAAAAAALQAAAD9AAAAAAJufmPHAAEAAAAYAAABofzIcSoAAAGh/MhxRgAAAAAAAAABAAAAAAAAAAAAGR+LCAAAAAAAAP+V",
                "0kELAVEYheE7kiRJkiTpJmmSNAYz18+ZhTSSJEkWk5+ub+vdzDn791mdyjkXPS7Fq/DnT3n31/J28ol/15yrXNxAv5X6JvpU",
                "6lvod1LfRr9X+qyD/iD1XfSZ1PfQ51LfRx+UPgzQH+v338iFYfT8P5DwQBNGFIQPmjCmILzQhAkF4YcmTCkITzRhRkH4ogme",
                "gvBGE+YUhD+asKAgPNKEJQXxkzGEVPzkioL4yTUF8ZMbCuInEwrCJ38j38FXXgYAAA=="
            ]),
        ForeignBatch(
            writer: "kafka-python", compression: .gzip, recordCount: 15, headerCount: 0, lastTimestamp: 1767240000014,
            contentSum: 0x1ee7_22a0,
            base64: [
                "AAAAAAAAAM0AAADvAAAAAAKpKIsmAAEAAAAOAAABm3e2YgAAAAGbd7ZiDgAAAAAAAAAGAAAAAAAAAAAADx+LCAB5OQFrAv+V",
                "0rsKg0AQRuFZWURERERExGJeIJD75XFsQkAwFilil9I6T5z8ZXYWslOe5qvOYojITvNz6K9Dv5rmx+0+8ppVSYuhKBLKhlUJ",
                "xVqhbFmVUOJYKDtWJZQkEcqeVQklTYVyYFVCyTKhHFmVUPJcKCdWJZSiEMqZVQmlLIVyYVXS21BVfZWX+T3J+TOgQdW1h3In",
                "/d+gmsZDOacGNKi29VDOrgENqus8lPNsQNMHG87R+jMEAAA="
            ]),
        ForeignBatch(
            writer: "aiokafka", compression: .gzip, recordCount: 15, headerCount: 0, lastTimestamp: 1767243600014,
            contentSum: 0x6b83_2505,
            base64: [
                "AAAAAAAAANwAAADgAAAAAALIAo4eAAEAAAAOAAABm3ftUIAAAAGbd+1Qjv////////////8AAAAAAAAADx+LCAB6OQFrAv+F",
                "0rsKg0AQheFBZBERERERsTiPEHPPm6TMNoFoEcj7FzlW2VnITjHwN181ZxER51/vO2/1z9VjBzNlkSzTaoaZVHmu1R5mUjmn",
                "1QFmUhWFVkeYSVWWWp1gJlVVaXWGmVR1rdUFZlI1jVZXmEnVtlrdYKZ8pOs29fg9MZhBoin7PpLhFP435TBEMphDoinHMZLB",
                "JBJNOU2RDGaRaPkCYkOVYD4DAAA="
            ]),
        ForeignBatch(
            writer: "Java", compression: .snappy, recordCount: 25, headerCount: 0, lastTimestamp: 1795242358581,
            contentSum: 0x2779_5874,
            base64: [
                "AAAAAAAAALQAAAFgAAAAAAKeFTUzAAIAAAAYAAABofzIdvMAAAGh/Mh3NQAAAAAAAAACAAAAAAAAAAAAGYJTTkFQUFkAAAAA",
                "AQAAAAEAAAEbsg1oggEAAAABdmphdmEgc25hcHB5IGxpbmUgMCB4mgEAGACEAQCAAQJKRAAAMbpEAAAESkQAADK6RAAABkpE",
                "AAAzukQAAAhKRAAANLpEAAAKSkQAADW6RAAADEpEAAA2ukQAAA5KRAAAN7pEAAAQSkQAADi6RAAAEkpEAAA5pkQAAIZBZAgU",
                "AXhCqAIAMaqpAgVFABZORQCqqgIFRQAYTkUAqqsCBUUAGk5FAKqsAgVFABxORQCqrQIFRQAeTkUAqq4CBUUAIE5FAKqvAgVF",
                "ACJORQCqsAIFRQAkTkUAqrECBUUAJk5FAL6yAgAoSkUAADK+sgIAKk5FALayAgiCASxORQC2sgIIggEuTkUAtrICCIQBME5F",
                "AKqyAg=="
            ]),
        ForeignBatch(
            writer: "kafka-python", compression: .snappy, recordCount: 15, headerCount: 0, lastTimestamp: 1767240000014,
            contentSum: 0x1ee7_22a0,
            base64: [
                "AAAAAAAAAM0AAAFGAAAAAAI/OOYFAAIAAAAOAAABm3e2YgAAAAGbd7ZiDgAAAAAAAAAHAAAAAAAAAAAAD4JTTkFQUFkAAAAA",
                "AQAAAAEAAAEBswhciAEAAAAEcHl4a2Fma2EtcHl0aG9uIDAgsg8AFACIAQACAkJGAAAxNkYAfg8AAUYEBARCRgAAMjZGAH4P",
                "AAFGBAYGQkYAADM2RgB+DwABRgQICEJGAAA0NkYAfg8AAUYECgpCRgAANTZGAH4PAAFGBAwMQkYAADY2RgB+DwABRgQODkJG",
                "AAA3NkYAfg8AAUYEEBBCRgAAODZGAH4PAAFGBBISQkYAADk2RgB+DwAoAJIBABQUBHB5gAEyrgIAMTq+AooQAAFLBBYWSksA",
                "PrQChhAAAUsEGBhKSwA6uQKKEAABSwQaGkpLADq+AooQAAFLBBwcSksAOsMCihAAAAA="
            ]),
        ForeignBatch(
            writer: "aiokafka", compression: .snappy, recordCount: 15, headerCount: 0, lastTimestamp: 1767243600014,
            contentSum: 0x6b83_2505,
            base64: [
                "AAAAAAAAANwAAAFAAAAAAAIy8RZkAAIAAAAOAAABm3ftUIAAAAGbd+1Qjv////////////8AAAAAAAAAD4JTTkFQUFkAAAAA",
                "AQAAAAEAAAD7vgZMagAAAAZhaW9YYWlva2Fma2EgMCCCCwAUAGoAAgIGMjYAADEZNl4LABAAagAEBDY2AAQyIBVsXgsAEABq",
                "AAYGNjYAADMZNl4LABAAagAICDY2AAA0GTZeCwAQAGoACgo2NgAANRk2XgsAEABqAAwMNjYAADYZNl4LABAAagAODjY2AAA3",
                "GTZeCwAUAGoAEBAGMnoBADgZNl4LABAAagASEjY2AAA5GTZeCwAQAHIAFBQBNgBgNaUAMV0dagwAEAByABYWOjoALhYCZgwA",
                "EAByABgYOjoAXRpqDAAQAHIAGho6OgBdHmoMABAAcgAcHDo6AF0iagwAAAA="
            ]),
        ForeignBatch(
            writer: "Java", compression: .lz4, recordCount: 25, headerCount: 0, lastTimestamp: 1795242360063,
            contentSum: 0xb305_f51f,
            base64: [
                "AAAAAAAAALQAAAFjAAAAAAJgfN3UAAMAAAAYAAABofzIfL8AAAGh/Mh8/wAAAAAAAAADAAAAAAAAAAAAGQQiTRhgQIIjAQAA",
                "/wh8AAAAAXBqYXZhIGx6NCBsaW5lIDAgeAEAFFwAfAB8Aj8AHzE/ABocBD8AHzI/ABocBj8AHzM/ABocCD8AHzQ/ABocCj8A",
                "HzU/ABksfgw/AB82PwAaHA4/AB83PwAaHBA/AB84PwAaHBI/AB85PwAXan4AfhQBcnYCHzF3AhhNfgB+FkAAD3gCGE1+AH4Y",
                "QAAPeQIYTX4AfhpAAA96AhhNfgB+HEAAD3sCGE1+AH4eQAAPfAIYbYABAIABIEIAD38CGAFCAB0iQgAPggIYAUIAHSRCAA+F",
                "AhgBQgAdJkIAD4gCGAFCABwoQgAfMooCGAFCAB0qQgAPjAIYAUIAHSxCAA+OAhgBQgAdLkIAD5ACGAFCAB0wQgAPkgITUHh4",
                "eHgAAAAAAA=="
            ]),
        ForeignBatch(
            writer: "kafka-python", compression: .lz4, recordCount: 15, headerCount: 0, lastTimestamp: 1767240000014,
            contentSum: 0x1ee7_22a0,
            base64: [
                "AAAAAAAAAM0AAAFSAAAAAAJBUJYkAAMAAAAOAAABm3e2YgAAAAGbd7ZiDgAAAAAAAAAIAAAAAAAAAAAADwQiTRhoQDMEAAAA",
                "AAAACQoBAAD/CYgBAAAABHB5eGthZmthLXB5dGhvbiAwIA8AGm0AiAEAAgJGABoxRgAPDwANAEYALQQERgAaMkYADw8ADQBG",
                "AC0GBkYAGjNGAA8PAA0ARgAtCAhGABo0RgAPDwANAEYALQoKRgAaNUYADw8ADQBGAC0MDEYAGjZGAA8PAA0ARgAtDg5GABo3",
                "RgAPDwANAEYALRAQRgAaOEYADw8ADQBGAC0SEkYAGjlGAA8PAA25AJIBABQUBHB5gAGuAhsxvgIPEAAQAEsALxYWSwAADLQC",
                "DxAADwBLAC8YGEsAAAu5Ag8QABAASwAvGhpLAAALvgIPEAAQAEsALxwcSwAAC8MCDxAADFAgMTQgAAAAAAA="
            ]),
        ForeignBatch(
            writer: "aiokafka", compression: .lz4, recordCount: 15, headerCount: 0, lastTimestamp: 1767243600014,
            contentSum: 0x6b83_2505,
            base64: [
                "AAAAAAAAANwAAAErAAAAAAJzB/s5AAMAAAAOAAABm3ftUIAAAAGbd+1Qjv////////////8AAAAAAAAADwQiTRhwQK3nAAAA",
                "/wVqAAAABmFpb1hhaW9rYWZrYSAwIAsADloAagACAjYALzEgCwAOWgBqAAQENgAvMiALAA5aAGoABgY2AC8zIAsADloAagAI",
                "CDYALzQgCwAOWgBqAAoKNgAvNSALAA5aAGoADAw2AC82IAsADloAagAODjYALzcgCwAOWgBqABAQNgAvOCALAA5aAGoAEhI2",
                "AC85IAsADlAAcgAUFDYAFmDFAS8wIAwAEVsAcgAWFjoALzEgDAARWwByABgYOgAvMiAMABFbAHIAGho6AC8zIAwAEVsAcgAc",
                "HDoALzQgDAANUCAxNCAAXU18HwAAAAA="
            ]),
        ForeignBatch(
            writer: "Java", compression: .zstd, recordCount: 25, headerCount: 0, lastTimestamp: 1795242361334,
            contentSum: 0x8286_2795,
            base64: [
                "AAAAAAAAALQAAADqAAAAAAKe5UWDAAQAAAAYAAABofzIgbMAAAGh/MiB9gAAAAAAAAAEAAAAAAAAAAAAGSi1L/0AWGwFAIQF",
                "fgAAAAFyamF2YSB6c3RkIGxpbmUgMCB4AIABAIABAjGCAQQyBjMINAo1DDYON4QBEDgSOYIUAXQxFjEYMhozHDQeNYYBIDYi",
                "NyQ4JjkoMjAqMSwyLjMwNDMg8HXWIfGOiHlCdB4jEu8S4cwYiXdEzBOi8xiR8EbzPEYkvSNinhCdx4hk+RmyDTCZt8e6EJuF",
                "6J5H82ZGJPMRsVmIbmZEYj4iNjuJKYrZoLRjAQAA"
            ]),
        ForeignBatch(
            writer: "kafka-python", compression: .zstd, recordCount: 15, headerCount: 0, lastTimestamp: 1767240000014,
            contentSum: 0x1ee7_22a0,
            base64: [
                "AAAAAAAAAM0AAADiAAAAAAIsIn/PAAQAAAAOAAABm3e2YgAAAAGbd7ZiDgAAAAAAAAAJAAAAAAAAAAAADyi1L/1gMwM9BQAE",
                "BYgBAAAABHB5eGthZmthLXB5dGhvbiAwIACIAQACAjEEBDIGBjMICDQKCjUMDDYODjcQEDgSEjkAkgEAFBQEcHmAATEWFjEY",
                "GDIaGjMcHDQANyDQU1oDDnQ3MQgOdDcxCAd0NzEIB7qLEx0ZhCEkBEvd3Q/HQ76DbMBBvoNs4EC+g2zgIF+DbOAg30Fs4CDf",
                "QTbgIN9BNnAg30E2cJjyTeRcUEwyBg=="
            ]),
        ForeignBatch(
            writer: "aiokafka", compression: .zstd, recordCount: 15, headerCount: 0, lastTimestamp: 1767243600014,
            contentSum: 0x6b83_2505,
            base64: [
                "AAAAAAAAANwAAADlAAAAAAJKO4vkAAQAAAAOAAABm3ftUIAAAAGbd+1Qjv////////////8AAAAAAAAADyi1L/1gPgJVBQCi",
                "hhUbYMekA6ACVnHNWsMUjo6O7UBrNACAAESQhMAUS01zHjHMObQs509Rzp8hSc4JCHIfHMddYBj3QFHcAQRxl5y7R63dIcbu",
                "b6278zhIHZCqJixUE7a/ASwgQKMJngMWjm/fqQ3j23XKhvh2nbIxvv07fQ0BYrzKMusBA7NcfsCGWZYfsGGWyQ8MmOXyBwZm",
                "mfyAgVkuP2DDLMsP2DDL5AcGzHLIj8d6Bw=="
            ]),
        ForeignBatch(
            writer: "librdkafka", compression: .gzip, recordCount: 10, headerCount: 0, lastTimestamp: 1795242363790,
            contentSum: 0x1bb1_9ed0,
            base64: [
                "AAAAAAAAAAoAAAFwAAAAAALn2G01AAEAAAAJAAABofzIi44AAAGh/MiLjv//////////////////AAAACh+LCAAAAAAAAANl",
                "0UtqGDEMBuChlBJKKaUn8BEkWZbs41iv0lVLViGnjyfb0dL29wvJb9d1vfx5//s/XtP/vUaDu9qo9DSRKp9SfcYapFNcQpa4",
                "Lqcwv96u68sDYxObYqS9qnN54opzApxVY/cayrpj3/jrA1ML1j6yb5KRKJkJhyzFactGQAdcDjf+9sC9cYIyzCFkGTZNwBOG",
                "Y6TXyQwUU7rxywNzYyPSU8ERWC7oUnNy8RTGADIO/MTfH3i0LDq3GtnVFpPtHSDIIwcbnKy1sT7xjweWllrigKgqOcPUo3ew",
                "wahcoVJ6uuONfz6wNl1AspYlk889k6XMjAegnh2i5v0ZN/71wLORCzF18gii0x9pcRzfEbbv82RD1I1/P/BquMbEvIdWzwCo",
                "Qs8BRsCauoeoq1wf+9K942ICAAA="
            ]),
        ForeignBatch(
            writer: "librdkafka", compression: .snappy, recordCount: 10, headerCount: 0, lastTimestamp: 1795242363801,
            contentSum: 0x2cd9_da76,
            base64: [
                "AAAAAAAAABQAAAIZAAAAAALZcs9NAAIAAAAJAAABofzIi5kAAAGh/MiLmf//////////////////AAAACvYETHwAAAAMc25h",
                "cHB5ZHJlY29yZCAwAQGoIDVmZWNlYjY2ZmZjODZmMzhkOTUyNzg2YzZkNjk2Yzc5YzJkYmMAfAAAAko/ALAxIDZiODZiMjcz",
                "ZmYzNGZjZTE5ZDZiODA0ZWZmNWEzZjU3NDdhZGEAfAAABAxGfgCYMiBkNDczNWUzYTI2NWUxNmVlZTAzZjU5NzE4YjliNWQw",
                "MzAxOWMwAT8ABkp+AJgzIDRlMDc0MDg1NjJiZWRiOGI2MGNlMDVjMWRlY2ZlM2FkMTZiNzIBPwAISj8AmDQgNGIyMjc3Nzdk",
                "NGRkMWZjNjFjNmY4ODRmNDg2NDFkMDJiNGQxMgE/AApKPwCYNSBlZjJkMTI3ZGUzN2I5NDJiYWFkMDYxNDVlNTRiMGM2MTlh",
                "MWYyAT8ADEo/AJg2IGU3ZjZjMDExNzc2ZThkYjdjZDMzMGI1NDE3NGZkNzZmN2QwMjEBPwAOSj8AiDcgNzkwMjY5OWJlNDJj",
                "OGE4ZTQ2ZmJiYjQ1MDE3MjY1MTdlIZkBPwAQSj8AmDggMmM2MjQyMzJjZGQyMjE3NzEyOTRkZmJiMzEwYWNhMDAwYTBkZgE/",
                "ABJKPwAcOSAxOTU4MWUB/Ww3Y2VkMDBmZjFjZTUwYjIwNDdlN2E1NjdjNzYA"
            ]),
        ForeignBatch(
            writer: "librdkafka", compression: .lz4, recordCount: 10, headerCount: 0, lastTimestamp: 1795242363812,
            contentSum: 0xa7ec_7cc7,
            base64: [
                "AAAAAAAAAB4AAAIiAAAAAALcY+fyAAMAAAAJAAABofzIi6QAAAGh/MiLpP//////////////////AAAACgQiTRhgQILiAQAA",
                "8AJ2AAAABmx6NGRyZWNvcmQgMAEA/BwgNWZlY2ViNjZmZmM4NmYzOGQ5NTI3ODZjNmQ2OTZjNzljMmRiYwB2AAACPADwGDEg",
                "NmI4NmIyNzNmZjM0ZmNlMTlkNmI4MDRlZmY1YTNmNTc0N2FkYTwAHAQ8APAYMiBkNDczNWUzYTI2NWUxNmVlZTAzZjU5NzE4",
                "YjliNWQwMzAxOWMwPAAcBjwA8BgzIDRlMDc0MDg1NjJiZWRiOGI2MGNlMDVjMWRlY2ZlM2FkMTZiNzI8ABwIPADxFzQgNGIy",
                "Mjc3NzdkNGRkMWZjNjFjNmY4ODRmNDg2NDFkMDJiNGQxPAAcCjwA8Rc1IGVmMmQxMjdkZTM3Yjk0MmJhYWQwNjE0NWU1NGIw",
                "YzYxOWExZjwAHAw8APAYNiBlN2Y2YzAxMTc3NmU4ZGI3Y2QzMzBiNTQxNzRmZDc2ZjdkMDIxtAAcDjwA8BQ3IDc5MDI2OTli",
                "ZTQyYzhhOGU0NmZiYmI0NTAxNzI2NTE3ZYcBADwAHBA8APAYOCAyYzYyNDIzMmNkZDIyMTc3MTI5NGRmYmIzMTBhY2EwMDBh",
                "MGRmPAAcEjwAgDkgMTk1ODFl8QDwDTdjZWQwMGZmMWNlNTBiMjA0N2U3YTU2N2M3NgAAAAAA"
            ]),
        ForeignBatch(
            writer: "librdkafka", compression: .zstd, recordCount: 10, headerCount: 0, lastTimestamp: 1795242363823,
            contentSum: 0x46f2_2418,
            base64: [
                "AAAAAAAAACgAAAFrAAAAAAL9j6R+AAQAAAAJAAABofzIi68AAAGh/MiLr///////////////////AAAACii1L/0AWI0JADaa",
                "QRmAKenYiPiJJD0Z0UORpGVcQnCBj8/wEW0BPgA4ADkA1kUFlC5peT/K/buNLjYh57fxP7IWdbEgAIJgIHi7mCQjwUZGzTrS",
                "Oh6V/xHX2f+KKToBgT2he0Gh4UAQBEOo9qb6yIT81G2dmVm1VtihcpG6DH/2Jr5xHlzd9i08HctxK4bAMKEZ07dklZLcj3F3",
                "JD+sMvxGBkW5zJcQrCFZZAHVdD5mvyXZ7YzRnNvqmEk0jJ9eIMFTIYQ8a+dnhNOlbBnZHN5Z1PVe3AC1bU2TBQQmJ15JT5va",
                "OWf6n2nn9M5y0iNUkIPvKTNTuAyN3W8jRZlU1c01ygq5CjWoRfWkw0qas919NNcSAGDEAftg7gH7YO4B+2BeA+HBvAbCg7kH",
                "7IO5B+yDuQf2DQhTsMAO"
            ])
    ]
}

/// A stream in a form that none of the producers above writes.
struct ForeignStream: Sendable {
    let name: String
    let compression: CompressionType
    let base64: [String]

    /// What all of them hold: 120 pieces, `<number>:` and the word `martlet` (number mod 5) times and `;`.
    static let content = (0..<120).map { "\($0):" + String(repeating: "martlet", count: $0 % 5) + ";" }.joined()

    static let all: [ForeignStream] = [
        ForeignStream(
            name: "gzip two members", compression: .gzip,
            base64: [
                "H4sIAAAAAAACA4XSMQ7CUAwD0CvVdinw/2kY2NoF9f4iyydV05AtciTrKcrUOtr2+uzre+8c0wh0CkY+X+djfWt9+ZXez6WP",
                "pPT5vxSTUd2KgEWmRcGFeeFgBDEyMgozzczDfYOZmZmFmWammxnMzMwszDKz3Kz4FJlZhVlmlpsVzMrMujR/AbpW4ce8AgAA",
                "H4sIAAAAAAACA4XOOw7CQAxF0S3Ng/EvWQ0FHTQo+xdOQRxhjLsZP+nq3Lfn7bU97ts6x7JOLMf38nkel+vX5Rjm7+HYycsc",
                "ZUllrcr2v0xupjBTMlNlpsZMbqYwUzJTZabGzG7mMHMyc2Xmxsxu5jBzMnNl5sYsbpYwSzJLZZbGLG6WMEsyS2WWxqxu1jBr",
                "Mmtl1sasbtYwazJrZdbGbG62MFsyW2W2xmxutjBbMltltsaM4WiMUGMkNkblxphdnvY8n/KS81rmOz12PU56ZD1KPTo9dj1O",
                "emQ9Sj0a/RspVrisvgUAAA=="
            ]),
        ForeignStream(
            name: "zstd two frames", compression: .zstd,
            base64: [
                "KLUv/WS8AX0DANJDCxCgqwOTR6Bqz/E8+VL8/+oGpm3btiVJkiT/z4n/z4FNITfOiVCellRjaN3nQCagQLTKfQNAIyHpAXSw",
                "CQZsAk14QBM4hQE04Aks4FZjE1z7FA2YrCYmCPv8F1w8awyIoIkV1YmtvqTEiCtRU+YfwfootS/9YL4E3QYAUsoXE8AlwwEc",
                "wBT9A5eSlFImSQgDnBMkybskSd7jOI7j3XEcx/HeWFV1t6qq7hUR0V0iIrpHMzN3Z2bm3oiI3BURkXvStnfbtvf6ilN84hJ3",
                "4xEfxAVm3IsPQsAwACAwCAFGIIDTpjiNLNczA8JluZ7VgEHiDUiw/Tibj/DmscE7gljHiXOwbQ5kp4C1YUGZF6wNC8q8YG0Y",
                "UOYFa8NAOS+sGgbKeWHVMFDMC6uGgTJvWBsGlHnD2jCgbN4brHEBV7MZKOujyMCRjEPMM8DVbAbK+igyOMgtxV8C"
            ]),
        ForeignStream(
            name: "lz4 linked blocks with all checksums", compression: .lz4,
            base64: [
                "BCJNGHxAeggAAAAAAAB1KAIAAOQwOjsxOm1hcnRsZXQ7MgoABBEAGzMRAAQYAB80GAADBB8ARDU6OzYiACQ7NwoABB4AGzgR",
                "AAQYAB85GAADBB8AEDGrAAasAB0xrQAfMa4ABR8xrwAMVjE1OjsxsQAdMbIAHzGzAAUfMbQADFYyMDo7MrQAHTK0AB8ytAAF",
                "HzK0AAxWMjU6OzK0AB0ytAAfMrQABR8ytAAMVjMwOjsztAAdM7QAHzO0AAUfM7QADFYzNTo7M7QAHTO0AB8ztAAFHzO0AAxW",
                "NDA6OzS0AB00tAAfNLQABR80tAAMVjQ1Ojs0tAAdNLQAHzS0AAUfNLQADFY1MDo7NbQAHTW0AB81tAAFHzW0AAxWNTU6OzW0",
                "AB01tAAfNbQABR81tAAMVjYwOjs2tAAdNrQAHza0AAUfNrQADBA2NAQGtAAdNrQAHza0AAUfNrQADFY3MDo7N7QAHTe0AB83",
                "tAAFHze0AAxWNzU6Oze0AB03tAAfN7QABR83tAAMVjgwOjs4tAAdOLQAHzi0AAUfOLQADFY4NTo7OLQAHTi0AB84tAAFHzi0",
                "AAxWOTA6Ozm0AB05tAAfObQABR85tAAMVjk1Ojs5tAAdObQAHzm0AAUfObQADCAxMFUGFjC2AC0xMLcALzEwuAAFPzEwNLMG",
                "DQBaBhYwuwAtMTC8AC8xML0ABS8xML4ADQITBwe+AA8VBwAPFgcHDxcHDgEYBwgZBw8aBwAPGwcHDxwHCFB0bGV0OwH0U60A",
                "AAAAsU1W7Q=="
            ]),
        ForeignStream(
            name: "snappy raw", compression: .snappy,
            base64: [
                "+hA0MDo7MTptYXJ0bGV0OzIRChERADM6EQARGAA0VhgAER8MNTo7NhEiBDs3EQoRHgA4OhEAERgAOVYYABEfADEBqxmsADFC",
                "rQAAMV6uAAAxeq8AEDE1OjsxGbEAMUKyAAAxXrMAADF6tAAQMjA6OzIZtAAyQrQAADJetAAAMnq0ABAyNTo7Mhm0ADJCtAAA",
                "Ml60AAAyerQAEDMwOjszGbQAM0K0AAAzXrQAADN6tAAQMzU6OzMZtAAzQrQAADNetAAAM3q0ABA0MDo7NBm0ADRCtAAANF60",
                "AAA0erQAEDQ1Ojs0GbQANEK0AAA0XrQAADR6tAAQNTA6OzUZtAA1QrQAADVetAAANXq0ABA1NTo7NRm0ADVCtAAANV60AAA1",
                "erQAEDYwOjs2GbQANkK0AAA2XrQAADZ6tAAANoE0GbQANkK0AAA2XrQAADZ6tAAQNzA6OzcZtAA3QrQAADdetAAAN3q0ABA3",
                "NTo7Nxm0ADdCtAAAN160AAA3erQAEDgwOjs4GbQAOEK0AAA4XrQAADh6tAAQODU6OzgZtAA4QrQAADhetAAAOHq0ABA5MDo7",
                "ORm0ADlCtAAAOV60AAA5erQAEDk1Ojs5GbQAOUK0AAA5XrQAADl6tAAEMTDBVQAwGbYEMTBCtwAEMTBeuAAEMTB6uQAEMTDB",
                "WgAwGbsEMTBCvAAEMTBevQAEMTB+vgDpEx2+ShUHZhYHghcH5RguGQdKGgdmGwd+HAc="
            ]),
        ForeignStream(
            name: "snappy framed twice", compression: .snappy,
            base64: [
                "glNOQVBQWQAAAAABAAAAAQAAAGmsAjQwOjsxOm1hcnRsZXQ7MhEKEREAMzoRABEYADRWGAARHww1Ojs2ESIEOzcRChEeADg6",
                "EQARGAA5VhgAER8AMQGrGawAMUKtAAAxXq4AADF6rwAQMTU6OzEZsQAxQrIAGDE4Om1hcnQAAACBkAMYbGV0bWFydBkHDDsx",
                "OTo2EgA2DgAYOzIwOjsyMREkCDsyMhELDSgIOzIzOhIAFRkANFYZABUgEDU6OzI2ESQIOzI3EQsVIQA4OhIAFRl6tAAQMzA6",
                "OzMZtAAzQrQAADNetAAAM3q0ABAzNTo7Mxm0ADNCtAAAM160AAAzUrQAglNOQVBQWQAAAAABAAAAAQAAAZK+C0BldG1hcnRs",
                "ZXQ7NDA6OzQxOhUPADIRCxUSADM6EgAVGQA0VhkAFSAQNTo7NDYRJAg7NDcRCxUhADg6EgAVGQA5VhkAESAQNTA6OzUZtAA1",
                "QrQAADVetAAANXq0ABA1NTo7NRm0ADVCtAAANV60AAA1erQAEDYwOjs2GbQANkK0AAA2XrQAADZ6tAAQNjU6OzYZtAA2QrQA",
                "ADZetAAANnq0ABA3MDo7Nxm0ADdCtAAAN160AAA3erQAEDc1Ojs3GbQAN0K0AAA3XrQAADd6tAAQODA6OzgZtAA4QrQAADhe",
                "tAAAOHq0ABA4NTo7OBm0ADhCtAAAOF60AAA4erQAEDkwOjs5GbQAOUK0AAA5XrQAADl6tAAQOTU6OzkZtAA5QrQAADletAAA",
                "OXq0ABgxMDA6OzEwGbYEMTBCtwAEMTBeuAAEMTB6uQAIMTA1AV8ZuwQxMEK8AAQxMF69AAQxMH6+AAAxAb4AMR2+ADFGvgAA",
                "MWK+AAAxfr4AADEBvgAxHb4AMUa+AAAxYr4AADF6vgA="
            ])
    ]
}
