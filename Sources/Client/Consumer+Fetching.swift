// The fetches of a consumer, and what their answers mean. Every fetch is complete in itself: no fetch session is kept,
// because a client that reads few partitions saves nothing by one (KIP-227).

internal import Basics
internal import Bytes
internal import Channel
internal import Environment
internal import Records
internal import WireProtocol

extension Consumer {
    func scheduleTurn() {
        guard !isTurning, !isClosed else { return }
        isTurning = true
        loop.proceed { self.turn() }
    }

    /// Begins all fetches that may begin now.
    private func turn() {
        isTurning = false
        guard !isClosed, heldBytes < settings.bufferBytes else { return }
        let now = loop.now
        var wakeAt = Instant.distantFuture
        var missing: Set<String> = []
        var byNode: [(node: NodeId, partitions: [TopicPartition])] = []
        for partition in order {
            guard let state = assigned[partition], !state.isPaused, !state.isUnderWay else { continue }
            if let stop = state.stop, state.position >= stop { continue }
            guard state.retryAt <= now else {
                wakeAt = min(wakeAt, state.retryAt)
                continue
            }
            guard let node = state.preferred ?? client.metadata.leader(of: partition) else {
                missing.insert(partition.topic)
                continue
            }
            guard !fetching.contains(node) else { continue }
            if let index = byNode.firstIndex(where: { $0.node == node }) {
                byNode[index].partitions.append(partition)
            } else {
                byNode.append((node, [partition]))
            }
        }
        for (node, partitions) in byNode { fetch(partitions, from: node) }
        if !missing.isEmpty { lookFor(missing.sorted()) }
        wake(at: wakeAt)
    }

    private func wake(at instant: Instant) {
        guard instant < timerInstant || timer == nil, instant < .distantFuture else { return }
        if let timer { loop.cancel(timer) }
        timerInstant = instant
        timer = loop.schedule(at: instant) { [weak self] in
            self?.timer = nil
            self?.timerInstant = .distantFuture
            self?.scheduleTurn()
        }
    }

    /// Asks who leads; a topic that is gone fails its partitions.
    private func lookFor(_ topics: [String]) {
        for partition in order where topics.contains(partition.topic) { retryLater(partition) }
        client.refreshMetadata(topics: topics, deadline: loop.now + .seconds(30)) { [self] result in
            if case .success(let metadata) = result {
                for partition in order where topics.contains(partition.topic) {
                    guard let topic = metadata[partition.topic], topic.error.isError, !topic.error.isRetriable else {
                        continue
                    }
                    fail(partition, .refused(topic.error, "topic '\(partition.topic)'", nil))
                }
            }
            scheduleTurn()
        }
    }

    private func retryLater(_ partition: TopicPartition) {
        guard var state = assigned[partition] else { return }
        state.failures += 1
        state.retryAt = loop.now + .milliseconds(min(1000, 50 << min(state.failures, 5)))
        state.preferred = nil
        assigned[partition] = state
    }

    private func fail(_ partition: TopicPartition, _ error: ClientError) {
        unassign(partition)
        tell(.failed(partition, error))
    }

    // MARK: Requests

    private func fetch(_ partitions: [TopicPartition], from node: NodeId) {
        guard let channel = client.channel(to: node) else {
            for partition in partitions { retryLater(partition) }
            return lookFor(Array(Set(partitions.map(\.topic))).sorted())
        }
        fetching.insert(node)
        var asked: [TopicPartition: Offset] = [:]
        for partition in partitions {
            assigned[partition]?.isUnderWay = true
            asked[partition] = assigned[partition]?.position
        }
        let request = request(for: partitions)
        channel.send(request, timeout: settings.fetchWait + client.settings.requestTimeout) { [self] result in
            fetching.remove(node)
            for partition in partitions { assigned[partition]?.isUnderWay = false }
            guard !isClosed else { return }
            switch result {
            case .success(let response): take(response, asked)
            case .failure(let error) where error.isRetriable:
                for partition in partitions { retryLater(partition) }
                lookFor(Array(Set(partitions.map(\.topic))).sorted())
            case .failure(let error): for partition in partitions { fail(partition, .channel(error)) }
            }
            scheduleTurn()
        }
    }

    private func request(for partitions: [TopicPartition]) -> FetchRequest {
        var positions: [String: Int] = [:]
        return FetchRequest {
            $0.maxWaitMs = Int32(clamping: settings.fetchWait.wholeMilliseconds)
            $0.minBytes = Int32(clamping: settings.fetchBytesMin)
            $0.maxBytes = Int32(clamping: settings.fetchBytesMax)
            $0.isolationLevel = settings.readsCommitted ? 1 : 0
            $0.rackId = settings.rack
            for partition in partitions {
                guard let state = assigned[partition] else { continue }
                let position = positions[partition.topic] ?? $0.topics.count
                if positions[partition.topic] == nil {
                    positions[partition.topic] = position
                    $0.topics.append(
                        FetchRequest.FetchTopic {
                            $0.topic = partition.topic
                            $0.topicId = client.metadata[partition.topic]?.id ?? .zero
                        })
                }
                $0.topics[position].partitions.append(
                    FetchRequest.FetchPartition {
                        $0.partition = partition.partition
                        // One that leads no more, or not yet, must not answer from its log (KIP-320).
                        let known = client.metadata[partition.topic]?[partition.partition]
                        $0.currentLeaderEpoch = known?.leaderEpoch.rawValue ?? -1
                        $0.fetchOffset = state.position.rawValue
                        $0.partitionMaxBytes = Int32(clamping: settings.partitionBytesMax)
                    })
            }
        }
    }

    // MARK: Answers

    private func take(_ response: FetchResponse, _ asked: [TopicPartition: Offset]) {
        if response.errorCode.isError {
            for partition in asked.keys.sorted() { refused(partition, response.errorCode, nil) }
            return
        }
        for topic in response.responses {
            let name = topic.topic.isEmpty ? client.metadata[topic.topicId]?.name ?? "" : topic.topic
            for partition in topic.partitions {
                let key = TopicPartition(name, partition.partitionIndex)
                // The position may have been moved while the fetch was under way.
                guard let offset = asked[key], let state = assigned[key], state.position == offset else { continue }
                if partition.errorCode.isError {
                    refused(key, partition.errorCode, hint(partition, response.nodeEndpoints))
                } else {
                    accept(partition, key, state)
                }
            }
        }
    }

    private func accept(_ answer: FetchResponse.PartitionData, _ key: TopicPartition, _ before: Assigned) {
        var state = before
        state.failures = 0
        if answer.preferredReadReplica >= 0 { state.preferred = NodeId(answer.preferredReadReplica) }
        let batches = answer.records.slice ?? .empty
        var next = state.position
        var whole = 0
        var sequence = RecordBatchSequence(batches)
        while let batch = sequence.next() {
            whole += batch.bytes.count
            next = max(next, batch.header.nextOffset)
        }
        let end = settings.readsCommitted && answer.lastStableOffset >= 0 ? answer.lastStableOffset : answer.highWatermark
        if next > state.position {
            state.hasToldEnd = false
            let records = FetchedRecords(
                partition: key, from: state.position, next: next, highWatermark: Offset(answer.highWatermark),
                lastStableOffset: Offset(answer.lastStableOffset), logStartOffset: Offset(answer.logStartOffset),
                batches: batches.prefix(whole),
                aborted: (answer.abortedTransactions ?? []).map {
                    .init(producerId: $0.producerId, firstOffset: Offset($0.firstOffset))
                })
            state.position = next
            assigned[key] = state
            heldBytes += whole
            tell(.records(records))
        } else {
            assigned[key] = state
        }
        guard var now = assigned[key], !now.hasToldEnd, now.position >= Offset(end) else { return }
        now.hasToldEnd = true
        assigned[key] = now
        tell(.end(key, now.position))
    }

    private func hint(_ answer: FetchResponse.PartitionData, _ endpoints: [FetchResponse.NodeEndpoint]) -> LeaderHint {
        let leader = NodeId(answer.currentLeader.leaderId)
        let endpoint = endpoints.first { $0.nodeId == leader.rawValue }
        return LeaderHint(
            leader: leader, epoch: LeaderEpoch(answer.currentLeader.leaderEpoch),
            broker: endpoint.map { BrokerInfo(id: leader, host: $0.host, port: $0.port, rack: $0.rack) })
    }

    private func refused(_ key: TopicPartition, _ code: ErrorCode, _ hint: LeaderHint?) {
        if code == .offsetOutOfRange { return outOfRange(key) }
        guard code.isRetriable || code == .unknownTopicId || code == .fencedLeaderEpoch else {
            return fail(key, .refused(code, "\(key)", nil))
        }
        retryLater(key)
        if let hint, client.metadata.learn(hint, of: key) {
            assigned[key]?.retryAt = loop.now
        } else if code.refreshesMetadata || code == .unknownTopicId {
            lookFor([key.topic])
        }
    }

    /// Goes by the policy of the settings.
    private func outOfRange(_ key: TopicPartition) {
        guard let wanted = assigned[key]?.position else { return }
        guard settings.outOfRange != .fail else {
            return fail(key, .refused(.offsetOutOfRange, "\(key) at offset \(wanted)", nil))
        }
        assigned[key]?.isUnderWay = true
        let places: [OffsetPlace] = [.start, .end]
        let admin = Admin(client)
        admin.listOffsets(places.map { (key, $0) }, readsCommitted: settings.readsCommitted, deadline: loop.now + .seconds(30)) {
            [self] result in
            guard var state = assigned[key], !isClosed else { return }
            state.isUnderWay = false
            assigned[key] = state
            guard case .success(let found) = result, found.count == 2, found[0].error == nil, found[1].error == nil else {
                retryLater(key)
                return scheduleTurn()
            }
            let target =
                switch settings.outOfRange {
                case .earliest: found[0].offset
                case .latest: found[1].offset
                case .nearest, .fail: wanted < found[0].offset ? found[0].offset : found[1].offset
                }
            assigned[key]?.position = target
            tell(.reset(key, from: wanted, to: target))
            scheduleTurn()
        }
    }
}
