// Offsets: OffsetCommit, OffsetFetch and OffsetDelete. Topics come by name here; who asked by id is answered by id.

internal import Basics
internal import ClusterImage
package import Coordination
internal import Records
package import WireProtocol

extension GroupCoordinator {
    /// Since this version a group that does not exist is told as such.
    private static let tellsOfMissingGroups: Int16 = 9
    /// Bytes of an offset's record besides its texts, at most.
    private static let offsetRecordOverhead = 160

    // MARK: Commit

    /// Decides an OffsetCommit, all of whose topics and partitions exist.
    package mutating func commitOffsets(
        _ request: OffsetCommitRequest, _ client: GroupClient, _ token: ReplyToken, _ moment: Moment
    ) -> GroupStep {
        var step = GroupStep()
        if let code = refusal(of: request, client, moment) ?? objection(toSizeOf: request) {
            step.answer(token, .offsetCommit(.refused(request, code)))
            return step
        }
        watch(request.groupId)
        var response = OffsetCommitResponse()
        let expiry = GroupCoordinator.expiry(of: request, moment)
        for topic in request.topics {
            let answers = topic.partitions.map { partition in
                commit(partition, of: topic, in: request, expiry: expiry, &step, moment)
            }
            response.topics.append(
                OffsetCommitResponse.OffsetCommitResponseTopic {
                    $0.name = topic.name
                    $0.topicId = topic.topicId
                    $0.partitions = answers
                })
        }
        if request.generationIdOrMemberEpoch < 0, request.memberId.isEmpty {
            noteOffsets(request.groupId, "stored", request.topics.map(\.partitions.count), by: client, moment)
        }
        step.answer(token, .offsetCommit(response))
        return step
    }

    /// When the offsets expire, in milliseconds of the wall clock; -1 where the group's retention decides.
    private static func expiry(of request: OffsetCommitRequest, _ moment: Moment) -> Int64 {
        guard request.retentionTimeMs >= 0 else { return -1 }
        let (sum, isTooFar) = moment.wallClock.milliseconds.addingReportingOverflow(request.retentionTimeMs)
        return isTooFar ? .max : sum
    }

    /// Why the member may not commit; nil if it may.
    private mutating func refusal(
        of request: OffsetCommitRequest, _ client: GroupClient, _ moment: Moment
    ) -> ErrorCode? {
        let groupId = request.groupId
        if classic[groupId] != nil {
            let context = context(moment)
            return classic[groupId]?.validateCommit(
                request.memberId, instance: request.groupInstanceId,
                generation: request.generationIdOrMemberEpoch, isTransactional: false, context)
        }
        if let group = consumer[groupId] {
            let permission = group.validateCommit(
                request.memberId, instance: request.groupInstanceId, epoch: request.generationIdOrMemberEpoch,
                isTransactional: false, version: client.version, isPaused: context(moment).forGroup(groupId).isPaused)
            if case .refused(let code) = permission { return code }
            return nil
        }
        // Who names no generation needs no group: its offsets are one.
        if request.generationIdOrMemberEpoch < 0 { return hasRoom ? nil : .coordinatorNotAvailable }
        return client.version >= GroupCoordinator.tellsOfMissingGroups ? .groupIdNotFound : .illegalGeneration
    }

    /// All offsets of a commit stand in one batch, or none of them.
    private func objection(toSizeOf request: OffsetCommitRequest) -> ErrorCode? {
        var size = 0
        for topic in request.topics {
            let perPartition = GroupCoordinator.offsetRecordOverhead + request.groupId.utf8.count + topic.name.utf8.count
            for partition in topic.partitions {
                let metadata = partition.committedMetadata?.utf8.count ?? 0
                size += perPartition + min(metadata, settings.recordBytesMax)
            }
        }
        return size > settings.recordBytesMax ? .invalidCommitOffsetSize : nil
    }

    private mutating func commit(
        _ partition: OffsetCommitRequest.OffsetCommitRequestPartition,
        of topic: OffsetCommitRequest.OffsetCommitRequestTopic, in request: OffsetCommitRequest, expiry: Int64,
        _ step: inout GroupStep, _ moment: Moment
    ) -> OffsetCommitResponse.OffsetCommitResponsePartition {
        var answer = OffsetCommitResponse.OffsetCommitResponsePartition()
        answer.partitionIndex = partition.partitionIndex
        // Java counts a text in UTF-16.
        guard (partition.committedMetadata ?? "").utf16.count <= settings.offsetMetadataBytesMax else {
            answer.errorCode = .offsetMetadataTooLarge
            return answer
        }
        // The topic of that name may be another by now than the one that was meant.
        let topicId = topic.topicId == .zero ? image.topicIds[topic.name] ?? .zero : topic.topicId
        guard isFresh(request, topicId, partition.partitionIndex) else {
            answer.errorCode = .staleMemberEpoch
            return answer
        }
        let key = OffsetCommitKey {
            $0.group = request.groupId
            $0.topic = topic.name
            $0.partition = partition.partitionIndex
        }
        let value = OffsetCommitValue {
            $0.offset = partition.committedOffset
            $0.leaderEpoch = partition.committedLeaderEpoch
            $0.metadata = partition.committedMetadata ?? ""
            $0.commitTimestamp = moment.wallClock.milliseconds
            $0.expireTimestamp = expiry
            $0.topicId = topicId
        }
        emit(.offset(key, value), &step, moment)
        return answer
    }

    /// Whether a member of a consumer group may still commit for a partition in the epoch that it names.
    private func isFresh(_ request: OffsetCommitRequest, _ topicId: Uuid, _ partition: Int32) -> Bool {
        let epoch = request.generationIdOrMemberEpoch
        guard let group = consumer[request.groupId], let member = group.members[request.memberId], member.epoch != epoch
        else { return true }
        return group.mayCommit(topicId, partition, by: request.memberId, epoch: epoch)
    }

    // MARK: Fetch

    /// Decides what an OffsetFetch asks of one group. `requiresStable`: offsets that a transaction may still change are
    /// refused (KIP-447).
    package mutating func fetchOffsets(
        _ asked: OffsetFetchRequest.OffsetFetchRequestGroup, requiresStable: Bool, _ token: ReplyToken,
        _ moment: Moment
    ) -> GroupStep {
        var step = GroupStep()
        var response = OffsetFetchResponse.OffsetFetchResponseGroup()
        response.groupId = asked.groupId
        if let code = consumer[asked.groupId]?.validateFetch(asked.memberId, epoch: asked.memberEpoch) {
            response.errorCode = code
            step.answer(token, .offsetFetch(response))
            return step
        }
        let known = exists(asked.groupId) ? offsets[asked.groupId] : [:]
        let topics = asked.topics ?? known.keys.sorted().map { name in
            OffsetFetchRequest.OffsetFetchRequestTopics {
                $0.name = name
                $0.topicId = image.topicIds[name] ?? .zero
                $0.partitionIndexes = (known[name] ?? [:]).keys.sorted()
            }
        }
        response.topics = topics.map { topic in
            OffsetFetchResponse.OffsetFetchResponseTopics {
                $0.name = topic.name
                $0.topicId = topic.topicId
                $0.partitions = topic.partitionIndexes.map { index in
                    let isUnstable = requiresStable && offsets.isPending(asked.groupId, topic.name, index)
                    let found = known[topic.name]?[index].flatMap { $0.isOf(topic.topicId) ? $0 : nil }
                    return fetched(index, isUnstable ? nil : found, isUnstable ? .unstableOffsetCommit : .none)
                }
            }
        }
        step.answer(token, .offsetFetch(response))
        return step
    }

    private func fetched(
        _ index: Int32, _ found: CommittedOffset?, _ code: ErrorCode
    ) -> OffsetFetchResponse.OffsetFetchResponsePartitions {
        OffsetFetchResponse.OffsetFetchResponsePartitions {
            $0.partitionIndex = index
            $0.committedOffset = found?.offset ?? -1
            $0.committedLeaderEpoch = found?.leaderEpoch ?? -1
            $0.metadata = found?.metadata ?? ""
            $0.errorCode = code
        }
    }

    // MARK: Deletion

    /// Decides an OffsetDelete, all of whose topics and partitions exist (KIP-496).
    package mutating func deleteOffsets(
        _ request: OffsetDeleteRequest, _ client: GroupClient, _ token: ReplyToken, _ moment: Moment
    ) -> GroupStep {
        var step = GroupStep()
        var response = OffsetDeleteResponse()
        response.errorCode = refusal(of: request)
        guard response.errorCode == .none else {
            step.answer(token, .offsetDelete(response))
            return step
        }
        for topic in request.topics {
            let isSubscribed = isSubscribed(request.groupId, to: topic.name)
            var answer = OffsetDeleteResponse.OffsetDeleteResponseTopic()
            answer.name = topic.name
            for partition in topic.partitions {
                let index = partition.partitionIndex
                answer.partitions.append(
                    OffsetDeleteResponse.OffsetDeleteResponsePartition {
                        $0.partitionIndex = index
                        $0.errorCode = isSubscribed ? .groupSubscribedToTopic : .none
                    })
                let isThere = offsets.offset(request.groupId, topic.name, index) != nil
                    || offsets.isPending(request.groupId, topic.name, index)
                if !isSubscribed, isThere {
                    removeOffset(request.groupId, TopicPartition(topic.name, index), &step, moment)
                }
            }
            response.topics.append(answer)
        }
        noteOffsets(request.groupId, "deleted", request.topics.map(\.partitions.count), by: client, moment)
        step.answer(token, .offsetDelete(response))
        return step
    }

    /// Whether members of the group read `topic`.
    func isSubscribed(_ groupId: String, to topic: String) -> Bool {
        classic[groupId]?.isSubscribed(to: topic) ?? consumer[groupId]?.isSubscribed(to: topic) ?? false
    }

    private func refusal(of request: OffsetDeleteRequest) -> ErrorCode {
        if request.groupId.isEmpty { return .invalidGroupId }
        if consumer[request.groupId] != nil { return .none }
        guard let group = classic[request.groupId] else { return .groupIdNotFound }
        return group.isEmpty || group.usesConsumerProtocol ? .none : .nonEmptyGroup
    }
}

extension CommittedOffset {
    /// Whether it was not committed for another topic of the same name.
    fileprivate func isOf(_ asked: Uuid) -> Bool { topicId == .zero || asked == .zero || topicId == asked }
}

extension OffsetCommitResponse {
    /// The same refusal for every partition.
    package static func refused(_ request: OffsetCommitRequest, _ code: ErrorCode) -> OffsetCommitResponse {
        OffsetCommitResponse {
            $0.topics = request.topics.map { topic in
                OffsetCommitResponseTopic {
                    $0.name = topic.name
                    $0.topicId = topic.topicId
                    $0.partitions = topic.partitions.map { partition in
                        OffsetCommitResponsePartition {
                            $0.partitionIndex = partition.partitionIndex
                            $0.errorCode = code
                        }
                    }
                }
            }
        }
    }
}
