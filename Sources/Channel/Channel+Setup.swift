// How a channel comes to be ready: the connection, then ApiVersions.
//
// ApiVersions is asked for in version 4. A peer that does not know it answers error 35 in the form of version 0, with
// the versions that it does know (KIP-511); then it is asked again in the greatest of those, or in 0.

internal import Basics
internal import Bytes
internal import Environment
internal import WireProtocol

extension Channel {
    /// The first version that is tried; 5 and above name the node that is meant, which is not always known.
    static let firstApiVersionsVersion: Int16 = 4

    /// Begins to connect; once.
    package func open() {
        loop.assertInside()
        precondition(state == .connecting && transport == nil, "a channel is opened once")
        let deadline = loop.now + settings.setupTimeout
        setupTimer = loop.schedule(at: deadline) { [weak self] in
            guard let self else { return }
            self.setupTimer = nil
            self.close(.timedOut(self.address, .apiVersions))
        }
        network.connect(address, on: loop) { [weak self] result in
            guard let self else {
                if case .success(let transport) = result { transport.close() }
                return
            }
            self.connected(result, deadline: deadline)
        }
    }

    private func connected(_ result: Result<any Transport, NetworkError>, deadline: Instant) {
        switch result {
        case .failure(let error): end(.unreachable(address, error))
        case .success(let transport):
            guard state == .connecting else { return transport.close() }
            self.transport = transport
            state = .negotiating
            transport.start(self)
            askVersions(in: Channel.firstApiVersionsVersion, deadline)
        }
    }

    private func askVersions(in version: Int16, _ deadline: Instant) {
        guard state == .negotiating else { return }
        let request = ApiVersionsRequest {
            $0.clientSoftwareName = settings.softwareName
            $0.clientSoftwareVersion = settings.softwareVersion
        }
        let id = ledger.takeCorrelationId()
        ledger.add(.apiVersions, version: version, correlationId: id, deadline: deadline) { [weak self] frame, version in
            guard let self, case .success(let frame) = frame else { return }
            self.takeVersions(frame, version, deadline)
        }
        transport?.send(request.frame(version: version, correlationId: id, clientId: settings.clientId))
    }

    private func takeVersions(_ frame: ByteSlice, _ version: Int16, _ deadline: Instant) {
        do throws(DecodeError) {
            var reader = ByteReader(frame.dropFirst(4))
            let code = ErrorCode(rawValue: try reader.readInteger(Int16.self, "ErrorCode"))
            if code == .unsupportedVersion, version > 0 {
                return askVersions(in: fallback(frame, below: version), deadline)
            }
            guard !code.isError else { return close(.malformed(address, "ApiVersions failed with \(code)")) }
            let response = try Channel.decode(ApiVersionsResponse.self, frame, version: version)
            becomeReady(AnnouncedVersions(response))
        } catch {
            close(.malformed(address, "\(error)"))
        }
    }

    /// What the peer says of ApiVersions itself, in an answer of version 0; 0 if it says nothing.
    private func fallback(_ frame: ByteSlice, below version: Int16) -> Int16 {
        guard let response = try? Channel.decode(ApiVersionsResponse.self, frame, version: 0),
            let theirs = AnnouncedVersions(response)[.apiVersions]
        else { return 0 }
        return theirs.upperBound < version ? max(theirs.upperBound, 0) : 0
    }
}
