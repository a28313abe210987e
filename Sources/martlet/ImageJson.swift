// The cluster's image as JSON: every part of it, sorted, with the names of the protocol. Of credentials only what a description
// of them may tell.

import Basics
import Broker
import ClusterImage
import WireProtocol

/// What an image keeps without serving it, by kind.
struct KeptParts {
    var rules: [AccessControlEntryRecord] = []
    var credentials: [UserScramCredentialRecord] = []
    var quotas: [ClientQuotaRecord] = []
    var tokens: [DelegationTokenRecord] = []
}

extension ClusterImage {
    var keptParts: KeptParts {
        var parts = KeptParts()
        for (_, record) in kept.sorted(by: { $0.key < $1.key }) {
            switch record {
            case .accessControlEntry(let entry): parts.rules.append(entry)
            case .userScramCredential(let entry): parts.credentials.append(entry)
            case .clientQuota(let entry): parts.quotas.append(entry)
            case .delegationToken(let entry): parts.tokens.append(entry)
            default: break
            }
        }
        return parts
    }
}

extension MetadataInspection {
    var json: Json {
        let parts = image.keptParts
        return .object([
            ("clusterId", .string(image.clusterId)), ("endOffset", .int(image.endOffset.rawValue)),
            ("snapshotEnd", .int(snapshotEnd.rawValue)), ("kraftVersion", .int(kraftVersion)),
            ("voters", .array(voters.map(ImageJson.voter))),
            ("features", .object(image.features.sorted { $0.key < $1.key }.map { ($0.key, .int($0.value)) })),
            ("brokers", .array(image.brokers.values.sorted { $0.id < $1.id }.map(ImageJson.broker))),
            ("controllers", .array(image.controllers.sorted { $0.key < $1.key }.map { ImageJson.controller($0.value) })),
            ("topics", .array(image.topics.values.sorted { $0.name < $1.name }.map(ImageJson.topic))),
            ("configs", .array(image.configurations.sorted { $0.key < $1.key }.map { ImageJson.configuration($0.key, $0.value) })),
            ("acls", .array(parts.rules.map(ImageJson.rule))), ("scram", .array(parts.credentials.map(ImageJson.credential))),
            ("clientQuotas", .array(parts.quotas.map(ImageJson.quota))),
            ("delegationTokens", .array(parts.tokens.map(ImageJson.token))),
            ("nextProducerId", .int(image.nextProducerId)),
        ])
    }
}

private enum ImageJson {
    static func ids(_ nodes: [NodeId]) -> Json { .array(nodes.map { .int($0.rawValue) }) }
    static func uuids(_ ids: [Uuid]) -> Json { .array(ids.map { .string("\($0)") }) }

    static func endpoint(_ name: String, _ host: String, _ port: UInt16) -> Json {
        .object([("name", .string(name)), ("host", .string(host)), ("port", .int(port))])
    }

    static func voter(_ voter: MetadataInspection.Voter) -> Json {
        .object([
            ("id", .int(voter.id.rawValue)), ("directoryId", .string("\(voter.directory)")),
            ("endpoints", .array(voter.endpoints.map { endpoint($0.name, $0.host, $0.port) })),
        ])
    }

    static func broker(_ broker: BrokerImage) -> Json {
        .object([
            ("id", .int(broker.id.rawValue)), ("epoch", .int(broker.epoch)),
            ("incarnationId", .string("\(broker.incarnation)")), ("rack", .optional(broker.rack)),
            ("fenced", .bool(broker.isFenced)), ("inControlledShutdown", .bool(broker.isShuttingDown)),
            ("endpoints", .array(broker.endpoints.map { endpoint($0.name, $0.host, $0.port) })),
            ("features", .object(broker.features.sorted { $0.key < $1.key }.map { name, range in
                (name, .array([.int(range.lowerBound), .int(range.upperBound)]))
            })),
            ("logDirs", uuids(broker.directories)), ("cordonedLogDirs", broker.cordoned.map(uuids) ?? .null),
        ])
    }

    static func controller(_ controller: RegisterControllerRecord) -> Json {
        .object([
            ("id", .int(controller.controllerId)), ("incarnationId", .string("\(controller.incarnationId)")),
            ("endpoints", .array(controller.endPoints.map { endpoint($0.name, $0.host, $0.port) })),
            ("features", .object(controller.features.sorted { $0.name < $1.name }.map { feature in
                (feature.name, .array([.int(feature.minSupportedVersion), .int(feature.maxSupportedVersion)]))
            })),
        ])
    }

    static func topic(_ topic: TopicImage) -> Json {
        .object([
            ("name", .string(topic.name)), ("id", .string("\(topic.id)")),
            ("partitions", .array(topic.sortedPartitions.map { partition($0.index, $0.image) })),
        ])
    }

    private static func partition(_ index: Int32, _ partition: PartitionImage) -> Json {
        .object([
            ("partition", .int(index)), ("leader", .int(partition.leader.rawValue)),
            ("leaderEpoch", .int(partition.leaderEpoch.rawValue)), ("partitionEpoch", .int(partition.partitionEpoch)),
            ("replicas", ids(partition.replicas)), ("isr", ids(partition.inSync)), ("adding", ids(partition.adding)),
            ("removing", ids(partition.removing)), ("eligibleLeaderReplicas", ids(partition.eligibleLeaders)),
            ("lastKnownElr", ids(partition.lastKnownEligible)), ("recovering", .bool(partition.isRecovering)),
            ("directories", uuids(partition.directories)),
        ])
    }

    static func configuration(_ resource: ConfigurationResource, _ values: [String: String]) -> Json {
        .object([
            ("resourceType", .int(resource.kind.rawValue)), ("resourceName", .string(resource.name)),
            ("values", .object(values.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })),
        ])
    }

    static func rule(_ rule: AccessControlEntryRecord) -> Json {
        .object([
            ("id", .string("\(rule.id)")), ("resourceType", .int(rule.resourceType)),
            ("resourceName", .string(rule.resourceName)), ("patternType", .int(rule.patternType)),
            ("principal", .string(rule.principal)), ("host", .string(rule.host)), ("operation", .int(rule.operation)),
            ("permissionType", .int(rule.permissionType)),
        ])
    }

    static func credential(_ credential: UserScramCredentialRecord) -> Json {
        .object([
            ("user", .string(credential.name)), ("mechanism", .int(credential.mechanism)),
            ("iterations", .int(credential.iterations)),
        ])
    }

    static func quota(_ quota: ClientQuotaRecord) -> Json {
        .object([
            ("entity", .array(quota.entity.map { part in
                .object([("entityType", .string(part.entityType)), ("entityName", .optional(part.entityName))])
            })),
            ("key", .string(quota.key)), ("value", .number("\(quota.value)")),
        ])
    }

    static func token(_ token: DelegationTokenRecord) -> Json {
        .object([
            ("tokenId", .string(token.tokenId)), ("owner", .string(token.owner)), ("requester", .string(token.requester)),
            ("renewers", .array(token.renewers.map { .string($0) })), ("issueTimestamp", .int(token.issueTimestamp)),
            ("expirationTimestamp", .int(token.expirationTimestamp)), ("maxTimestamp", .int(token.maxTimestamp)),
        ])
    }
}
