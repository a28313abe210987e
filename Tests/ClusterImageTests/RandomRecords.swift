// Metadata records at random: of every kind that changes the image, on few enough topics and nodes that they meet.

import Basics
import Bytes
import WireProtocol

struct RandomRecords {
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    private mutating func number(_ range: ClosedRange<Int32>) -> Int32 { Int32.random(in: range, using: &random) }
    private mutating func id() -> Uuid { Uuid(high: 7, low: UInt64(number(1...4))) }
    private mutating func ids() -> [Uuid] { (0..<number(0...3)).map { _ in id() } }
    private mutating func nodes() -> [Int32] { (0..<number(0...3)).map { _ in number(1...4) } }
    private mutating func name() -> String { ["a", "b", "1", "é"][Int(number(0...3))] }
    private mutating func flag() -> Bool { number(0...1) == 1 }
    private mutating func bytes() -> ByteSlice { ByteSlice((0..<number(0...5)).map { _ in UInt8(number(0...255)) }) }

    mutating func next() -> MetadataRecord {
        switch number(0...21) {
        case 0: .featureLevel(feature())
        case 1, 2: .registerBroker(broker())
        case 3: .unregisterBroker(make { $0.brokerId = $1.number(1...4) })
        case 4: .brokerRegistrationChange(change())
        case 5: .fenceBroker(make { $0.id = $1.number(1...4) })
        case 6: .unfenceBroker(make { $0.id = $1.number(1...4) })
        case 7: .registerController(controller())
        case 8: .unregisterController(make { $0.controllerId = $1.number(1...4) })
        case 9, 10: .topic(topic())
        case 11, 12: .partition(partition())
        case 13: .partitionChange(partitionChange())
        case 14: .removeTopic(make { $0.topicId = $1.id() })
        case 15: .clearElr(make { $0.topicName = $1.flag() ? "" : "topic\($1.number(1...4))" })
        case 16: .config(config())
        case 17: .producerIds(make { $0.nextProducerId = Int64($1.number(0...9)) * 1000 })
        case 18: .accessControlEntry(make { $0.id = $1.id(); $0.principal = $1.name() })
        case 19: .userScramCredential(credential())
        case 20: .clientQuota(quota())
        default: .delegationToken(make { $0.tokenId = $1.name(); $0.issueTimestamp = Int64($1.number(0...9)) })
        }
    }

    private mutating func make<Record: MetadataMessage>(
        _ fill: (inout Record, inout RandomRecords) -> Void
    ) -> Record {
        var record = Record()
        fill(&record, &self)
        return record
    }

    private mutating func feature() -> FeatureLevelRecord {
        make {
            $0.name = "feature\($1.number(1...3))"
            $0.featureLevel = Int16($1.number(0...2))
        }
    }

    private mutating func broker() -> RegisterBrokerRecord {
        make {
            $0.brokerId = $1.number(1...4)
            $0.incarnationId = $1.id()
            $0.brokerEpoch = Int64($1.number(0...99))
            $0.rack = $1.flag() ? nil : $1.name()
            $0.fenced = $1.flag()
            $0.inControlledShutdown = $1.flag()
            $0.logDirs = $1.ids()
            $0.cordonedLogDirs = $1.flag() ? nil : $1.ids()
            $0.endPoints = [
                RegisterBrokerRecord.BrokerEndpoint {
                    $0.name = "L"
                    $0.host = "h"
                    $0.port = 9092
                }
            ]
            $0.features = [
                RegisterBrokerRecord.BrokerFeature {
                    $0.name = "f"
                    $0.maxSupportedVersion = 3
                }
            ]
        }
    }

    private mutating func change() -> BrokerRegistrationChangeRecord {
        make {
            $0.brokerId = $1.number(1...4)
            $0.fenced = Int8($1.number(-1...1))
            $0.inControlledShutdown = Int8($1.number(0...1))
        }
    }

    private mutating func controller() -> RegisterControllerRecord {
        make {
            $0.controllerId = $1.number(1...4)
            $0.incarnationId = $1.id()
        }
    }

    private mutating func topic() -> TopicRecord {
        make {
            let number = $1.number(1...4)
            $0.name = "topic\(number)"
            $0.topicId = Uuid(high: 7, low: UInt64(number))
        }
    }

    private mutating func partition() -> PartitionRecord {
        make {
            $0.partitionId = $1.number(0...2)
            $0.topicId = $1.id()
            $0.replicas = $1.nodes()
            $0.isr = $1.nodes()
            $0.removingReplicas = $1.nodes()
            $0.addingReplicas = $1.nodes()
            $0.leader = $1.number(-1...4)
            $0.leaderRecoveryState = Int8($1.number(0...1))
            $0.leaderEpoch = $1.number(0...9)
            $0.partitionEpoch = $1.number(0...9)
            $0.directories = $1.ids()
            $0.eligibleLeaderReplicas = $1.flag() ? nil : $1.nodes()
            $0.lastKnownElr = $1.flag() ? nil : $1.nodes()
        }
    }

    private mutating func partitionChange() -> PartitionChangeRecord {
        make {
            $0.partitionId = $1.number(0...2)
            $0.topicId = $1.id()
            $0.isr = $1.flag() ? nil : $1.nodes()
            $0.leader = $1.number(-2...4)
            $0.eligibleLeaderReplicas = $1.flag() ? nil : $1.nodes()
        }
    }

    private mutating func config() -> ConfigRecord {
        make {
            $0.resourceType = [2, 4, 8, 16, 32][Int($1.number(0...4))]
            $0.resourceName = $1.flag() ? "topic1" : $1.name()
            $0.name = "key\($1.number(1...3))"
            $0.value = $1.flag() ? nil : $1.name()
        }
    }

    private mutating func credential() -> UserScramCredentialRecord {
        make {
            $0.name = $1.name()
            $0.mechanism = Int8($1.number(1...2))
            $0.salt = $1.bytes()
        }
    }

    private mutating func quota() -> ClientQuotaRecord {
        make {
            let user = $1.flag() ? nil : $1.name()
            $0.entity = [
                ClientQuotaRecord.EntityData {
                    $0.entityType = "user"
                    $0.entityName = user
                }
            ]
            $0.key = "consumer_byte_rate"
            $0.value = Double($1.number(1...9))
            $0.remove = $1.flag()
        }
    }
}
