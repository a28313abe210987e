// Requests of clients on their way to the controller and back (KIP-590): what the envelope carries, and what it says itself.

import Broker
import Bytes
import Testing
import WireProtocol

@Suite struct EnvelopeTests {
    private func envelope<Response: ResponseMessage>(_ response: Response, version: Int16) -> EnvelopeResponse {
        let pieces = response.frame(version: version, correlationId: 3)
        let bytes = pieces.flatMap { piece in if case .bytes(let slice) = piece { slice.array } else { [UInt8]() } }
        return EnvelopeResponse(ByteSlice(Array(bytes.dropFirst(4))), to: Response.apiKey, version)
    }

    private func created(_ code: ErrorCode) -> CreateTopicsResponse {
        let result = CreateTopicsResponse.CreatableTopicResult {
            $0.name = "t"
            $0.errorCode = code
        }
        return CreateTopicsResponse { $0.topics = [result] }
    }

    @Test(arguments: [ErrorCode.none, .topicAlreadyExists])
    func `what a controller decided goes back as it is`(code: ErrorCode) throws {
        let outer = envelope(created(code), version: 7)
        #expect(outer.errorCode == .none)
        let (id, fields) = try readResponse(try #require(outer.responseData), .createTopics, 7)
        #expect(id == 3 && fields.errors == [Int64(code.rawValue)])
    }

    @Test func `an answer of one that decides no more is for nobody, so that the next is asked`() {
        let outer = envelope(created(.notController), version: 7)
        #expect(outer.errorCode == .notController && outer.responseData == nil)
        let quorum = DescribeQuorumResponse {
            let partition = DescribeQuorumResponse.PartitionData { $0.errorCode = .notLeaderOrFollower }
            $0.topics = [DescribeQuorumResponse.TopicData { $0.partitions = [partition] }]
        }
        #expect(envelope(quorum, version: 2).errorCode == .notController)
    }
}
