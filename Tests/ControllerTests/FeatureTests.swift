import Basics
import ClusterImage
import Configuration
import Controller
import Testing
import WireProtocol

@Suite struct FeatureTests {
    private let failed = "The update failed for all features since the following feature had an error: "

    /// A controller with a broker that registered with this release's features.
    private func controller() throws -> Controller {
        var controller = Controller(image: ClusterImage(clusterId: "c"), node: try NodeConfiguration([]), seed: 1)
        let broker = BrokerDescription(
            id: NodeId(1), incarnation: Uuid(high: 1, low: 1), endpoints: [], rack: nil, directories: [])
        let endpoint = RegisterControllerRecord.ControllerEndpoint { $0.name = "CONTROLLER" }
        let records = SupportedFeatures.bootstrapRecords
            + controller.registerController(id: NodeId(1), incarnation: Uuid(high: 1, low: 1), endpoints: [endpoint])
            + controller.register(broker, epoch: Offset(3))
        for (index, record) in records.enumerated() { controller.replay(record.record, at: Offset(Int64(index))) }
        return controller
    }

    private func update(_ name: String, _ level: Int16, _ kind: Int8 = 1, validates: Bool = false) -> UpdateFeaturesRequest {
        UpdateFeaturesRequest {
            $0.validateOnly = validates
            $0.featureUpdates = [
                UpdateFeaturesRequest.FeatureUpdateKey {
                    $0.feature = name
                    $0.maxVersionLevel = level
                    $0.upgradeType = kind
                }
            ]
        }
    }

    @Test func `a level goes down where that is allowed, and up again`() throws {
        var controller = try controller()
        for (level, kind) in [(Int16(0), Int8(2)), (1, 1)] {
            let decision = controller.updateFeatures(update("group.version", level, kind))
            #expect(decision.reply.errorCode == .none && decision.reply.results.map(\.errorMessage) == ["NONE"])
            #expect(decision.records.count == 1)
            for record in decision.records { controller.replay(record.record, at: Offset(100)) }
            #expect(controller.image.level(of: "group.version") == level)
        }
        #expect(controller.updateFeatures(update("group.version", 1)).records.isEmpty)
        #expect(controller.updateFeatures(update("group.version", 0, 2, validates: true)).records.isEmpty)
    }

    @Test func `the quorum's own level goes up only, and is no record of metadata`() throws {
        let controller = try controller()
        let raised = controller.updateFeatures(update("kraft.version", 1), kraftVersion: 0)
        #expect(raised.reply.errorCode == .none && raised.records.isEmpty)
        let lowered = controller.updateFeatures(update("kraft.version", 0, 2), kraftVersion: 1)
        #expect(lowered.reply.errorCode == .invalidUpdateVersion)
        #expect(controller.updateFeatures(update("kraft.version", 1), kraftVersion: 1).reply.errorCode == .none)
    }

    @Test func `refusals are worded as Kafka's`() throws {
        let controller = try controller()
        let id = controller.node.nodeId
        let cases: [(UpdateFeaturesRequest, String)] = [
            (
                update("group.version", 0),
                "Invalid update version 0 for feature group.version. Can't downgrade the version of this feature without "
                    + "setting the upgrade type to either safe or unsafe downgrade."
            ),
            (
                update("no.such", 1),
                "Invalid update version 1 for feature no.such. Local controller \(id) does not support this feature."
            ),
            (
                update("group.version", 9),
                "Invalid update version 9 for feature group.version. Local controller \(id) only supports versions 0-1"
            ),
            (
                update("metadata.version", 20, 2),
                "Invalid update version 20 for feature metadata.version. Refusing to perform the requested downgrade "
                    + "because it might delete metadata information."
            ),
        ]
        for (request, text) in cases {
            let reply = controller.updateFeatures(request).reply
            #expect(reply.errorCode == .invalidUpdateVersion && reply.errorMessage == failed + text)
            #expect(reply.results.isEmpty)
        }
    }

    @Test func `a level that a registered node does not support is refused, and nothing of the request is done`() throws {
        var controller = try controller()
        let old = RegisterControllerRecord { $0.controllerId = 7 }
        for decided in [controller.updateFeatures(update("group.version", 0, 2))] {
            for record in decided.records { controller.replay(record.record, at: Offset(100)) }
        }
        controller.replay(.registerController(old), at: Offset(101))
        var request = update("group.version", 1)
        request.featureUpdates.insert(update("share.version", 1, 2).featureUpdates[0], at: 0)
        let decision = controller.updateFeatures(request)
        #expect(decision.reply.errorCode == .invalidUpdateVersion && decision.records.isEmpty)
        let gone = controller.unregisterController(NodeId(7))
        #expect(gone.reply.errorCode == .none)
        for record in gone.records { controller.replay(record.record, at: Offset(102)) }
        #expect(controller.updateFeatures(request).records.count == 2)
        let unknown = controller.unregisterController(NodeId(7)).reply
        #expect(unknown.errorCode == .controllerIdNotRegistered)
        #expect(unknown.errorMessage == "Controller ID 7 is not currently registered.")
    }
}
