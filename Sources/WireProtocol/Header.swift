// Which header goes with which request, and reading it. The first eight bytes of a request header are the same in
// every version, so that the version of the header can be told from them.

package import Bytes

extension ApiKey {
    /// The header version of a request: 2 for flexible versions, 1 before (KIP-482).
    package func requestHeaderVersion(_ version: Int16) -> Int16 { version >= flexibleFrom ? 2 : 1 }

    /// The header version of a response. ApiVersions stays at 0, so that a client that does not know the broker can read
    /// the answer (KIP-511).
    package func responseHeaderVersion(_ version: Int16) -> Int16 {
        self != .apiVersions && version >= flexibleFrom ? 1 : 0
    }
}

extension RequestHeader {
    /// Reads the header of a request frame (without its length).
    ///
    /// Throws `invalidValue` for an api key that has no schema. A version that the api does not have is no error: the
    /// header is read in the form of the nearest known version, so that ApiVersions can be refused in its own words.
    package init(from reader: inout ByteReader) throws(DecodeError) {
        var probe = reader
        let number = try probe.readInteger(Int16.self, "RequestApiKey")
        let version = try probe.readInteger(Int16.self, "RequestApiVersion")
        guard let key = ApiKey(rawValue: number) else {
            throw reader.failure(.invalidValue("api key \(number)"), "RequestApiKey")
        }
        try self.init(from: &reader, version: key.requestHeaderVersion(version))
    }

    /// The api that is called; nil for one without a schema.
    package var apiKey: ApiKey? { ApiKey(rawValue: requestApiKey) }
}
