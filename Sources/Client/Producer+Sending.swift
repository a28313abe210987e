// Sending batches: one request per broker with at most one batch of each partition, answers, and sending again.
//
// Order: batches of a partition leave in the order of their numbers, and one that is to be sent again goes before those
// that were not sent. Several may be under way; with an identity the broker then refuses those that come too early, so
// that the order in the log is the order of `send`. Without one, a partition that has failed once sends one at a time
// until it succeeds.

internal import Basics
internal import Bytes
internal import Channel
internal import Environment
internal import Records
internal import WireProtocol

extension Producer {
    /// Drains in the next step.
    func scheduleDrain() {
        guard !isDraining else { return }
        isDraining = true
        loop.proceed { self.drain() }
    }

    /// Sends all that may be sent now, and notes when to look again.
    private func drain() {
        isDraining = false
        let now = loop.now
        var wakeAt = Instant.distantFuture
        expire(at: now)
        active.removeAll { $0.isIdle }
        guard identityIsSettled() else { return active.isEmpty ? () : wake(at: now + .milliseconds(500)) }
        var requests: [(node: NodeId, batches: [(PartitionQueue, ClosedBatch)], bytes: Int)] = []
        for queue in active {
            closeIfDue(queue, now, &wakeAt)
            guard let first = queue.closed.first else { continue }
            wakeAt = min(wakeAt, first.deadline)
            if identity.isUncertain, first.stampedFor == nil { continue }
            guard maySend(queue, now, &wakeAt), let leader = leader(of: queue, now, &wakeAt) else { continue }
            let index = requests.firstIndex { $0.node == leader }
            if let index {
                guard requests[index].bytes + first.bytes.count <= settings.requestBytes else { continue }
                requests[index].batches.append((queue, queue.takeFirst()))
                requests[index].bytes += first.bytes.count
            } else if underWay[leader, default: 0] < settings.inFlightMax {
                requests.append((leader, [(queue, queue.takeFirst())], first.bytes.count))
            }
        }
        for request in requests { send(request.batches, to: request.node) }
        if !requests.isEmpty, active.contains(where: { !$0.closed.isEmpty }) { scheduleDrain() }
        wake(at: wakeAt)
    }

    private func closeIfDue(_ queue: PartitionQueue, _ now: Instant, _ wakeAt: inout Instant) {
        guard let open = queue.open else { return }
        let due = open.openedAt + settings.linger
        if isFlushing || open.builder.byteCount >= settings.batchBytes || (due <= now && queue.closed.isEmpty) {
            close(queue)
        } else if queue.closed.isEmpty {
            wakeAt = min(wakeAt, due)
        }
    }

    private func maySend(_ queue: PartitionQueue, _ now: Instant, _ wakeAt: inout Instant) -> Bool {
        if queue.retryAt > now {
            wakeAt = min(wakeAt, queue.retryAt)
            return false
        }
        return queue.underWay == 0 || queue.backoffFailures == 0
    }

    private func leader(of queue: PartitionQueue, _ now: Instant, _ wakeAt: inout Instant) -> NodeId? {
        if let leader = client.metadata.leader(of: queue.partition), client.metadata.broker(leader) != nil {
            return leader
        }
        queue.retryAt = now + .milliseconds(100)
        wakeAt = min(wakeAt, queue.retryAt)
        refresh(queue.partition.topic)
        return nil
    }

    /// Asks what the topic is like by now: partitions may have been added.
    func refresh(_ topic: Topic) {
        guard !topic.isRefreshing else { return }
        topic.isRefreshing = true
        refresh(topic.name) { topic.isRefreshing = false }
    }

    private func refresh(_ topic: String, _ done: @escaping () -> Void = {}) {
        client.refreshMetadata(topics: [topic], deadline: loop.now + .seconds(30)) { [self] result in
            if case .success(let metadata) = result, let info = metadata[topic], !info.error.isError,
                let known = topics[topic]
            {
                know(known, info)
            }
            done()
            scheduleDrain()
        }
    }

    private func expire(at now: Instant) {
        for queue in active {
            if let open = queue.open, open.openedAt + settings.deliveryTimeout <= now { close(queue) }
            for batch in queue.takeOverdue(at: now) {
                if batch.stampedFor != nil { identity.isUncertain = true }
                fail(batch, queue, .timedOut("delivery to \(queue.partition)", last: queue.lastFailure))
            }
        }
    }

    /// Looks again at `instant`, if nothing else comes before.
    func wake(at instant: Instant) {
        guard instant < timerInstant || timer == nil, instant < .distantFuture else { return }
        if let timer { loop.cancel(timer) }
        timerInstant = instant
        timer = loop.schedule(at: instant) { [weak self] in
            self?.timer = nil
            self?.timerInstant = .distantFuture
            self?.scheduleDrain()
        }
    }

    // MARK: Requests

    private func send(_ batches: [(PartitionQueue, ClosedBatch)], to node: NodeId) {
        for (queue, batch) in batches {
            queue.underWay += 1
            batch.attempts += 1
            stamp(batch, queue)
        }
        guard let channel = client.channel(to: node) else {
            for (queue, batch) in batches { again(batch, queue, "broker \(node) cannot be reached now") }
            return
        }
        underWay[node, default: 0] += 1
        let request = request(of: batches)
        let timeout = settings.requestTimeout + .seconds(1)
        if settings.acks == 0 {
            return channel.sendWithoutAnswer(request, timeout: timeout) { [self] error in
                underWay[node, default: 1] -= 1
                for (queue, batch) in batches {
                    if let error { lost(batch, queue, error) } else { done(batch, queue, .none, .none) }
                }
                scheduleDrain()
            }
        }
        channel.send(request, timeout: timeout) { [self] result in
            underWay[node, default: 1] -= 1
            switch result {
            case .failure(let error): for (queue, batch) in batches { lost(batch, queue, error) }
            case .success(let response): take(response, batches)
            }
            scheduleDrain()
        }
    }

    private func request(of batches: [(PartitionQueue, ClosedBatch)]) -> ProduceRequest {
        var positions: [String: Int] = [:]
        return ProduceRequest {
            $0.acks = settings.acks
            $0.timeoutMs = Int32(clamping: settings.requestTimeout.wholeMilliseconds)
            for (queue, batch) in batches {
                let name = queue.partition.topic
                let position = positions[name] ?? $0.topicData.count
                if positions[name] == nil {
                    positions[name] = position
                    $0.topicData.append(
                        ProduceRequest.TopicProduceData {
                            $0.name = name
                            $0.topicId = client.metadata[name]?.id ?? .zero
                        })
                }
                $0.topicData[position].partitionData.append(
                    ProduceRequest.PartitionProduceData {
                        $0.index = queue.partition.partition
                        $0.records = .bytes(batch.bytes)
                    })
            }
        }
    }

    private func take(_ response: ProduceResponse, _ batches: [(PartitionQueue, ClosedBatch)]) {
        var answers: [TopicPartition: ProduceResponse.PartitionProduceResponse] = [:]
        for topic in response.responses {
            let name = topic.name.isEmpty ? client.metadata[topic.topicId]?.name ?? "" : topic.name
            for partition in topic.partitionResponses { answers[TopicPartition(name, partition.index)] = partition }
        }
        for (queue, batch) in batches {
            guard let answer = answers[queue.partition] else {
                again(batch, queue, "the broker's answer has no word of \(queue.partition)")
                continue
            }
            judge(answer, batch, queue, hint(answer, response.nodeEndpoints))
        }
    }

    private func hint(
        _ answer: ProduceResponse.PartitionProduceResponse, _ endpoints: [ProduceResponse.NodeEndpoint]
    ) -> LeaderHint {
        let leader = NodeId(answer.currentLeader.leaderId)
        let endpoint = endpoints.first { $0.nodeId == leader.rawValue }
        return LeaderHint(
            leader: leader, epoch: LeaderEpoch(answer.currentLeader.leaderEpoch),
            broker: endpoint.map { BrokerInfo(id: leader, host: $0.host, port: $0.port, rack: $0.rack) })
    }

    private func judge(
        _ answer: ProduceResponse.PartitionProduceResponse, _ batch: ClosedBatch, _ queue: PartitionQueue, _ hint: LeaderHint
    ) {
        let code = answer.errorCode
        if !code.isError || code == .duplicateSequenceNumber {
            return done(batch, queue, Offset(answer.baseOffset), Timestamp(milliseconds: answer.logAppendTimeMs))
        }
        let waitsForEarlier = code == .outOfOrderSequenceNumber && batch.stampedFor != nil
            && (queue.backoffFailures > 0 || identity.isUncertain)
        if code.isRetriable || code == .unknownTopicId || waitsForEarlier {
            let isTold = client.metadata.learn(hint, of: queue.partition)
            if !isTold, code.refreshesMetadata || code == .unknownTopicId { refresh(queue.partition.topic) }
            again(batch, queue, "\(code)")
            if isTold { queue.retryAt = loop.now }
            return
        }
        queue.underWay -= 1
        if batch.stampedFor != nil {
            // Others may be stored, in this partition those before it: they keep their numbers until that is known.
            identity.isUncertain = true
            if code != .outOfOrderSequenceNumber, batch.attempts == 1 { queue.noteGap(at: batch) }
        }
        let detail = answer.recordErrors.first?.batchIndexErrorMessage
        fail(batch, queue, .refused(code, "\(queue.partition)", detail ?? answer.errorMessage))
    }

    private func lost(_ batch: ClosedBatch, _ queue: PartitionQueue, _ error: ChannelError) {
        guard error.isRetriable else {
            queue.underWay -= 1
            if batch.stampedFor != nil { identity.isUncertain = true }
            return fail(batch, queue, .channel(error))
        }
        refresh(queue.partition.topic)
        again(batch, queue, "\(error)")
    }

    /// Puts a batch back to be sent again after a back-off; its deadline ends that.
    private func again(_ batch: ClosedBatch, _ queue: PartitionQueue, _ reason: String) {
        queue.underWay -= 1
        queue.lastFailure = reason
        var backoff = Backoff(from: .milliseconds(50), to: .seconds(1))
        for _ in 0..<min(queue.backoffFailures, 10) { _ = backoff.next(&random) }
        queue.backoffFailures += 1
        queue.retryAt = loop.now + backoff.next(&random)
        queue.putBack(batch)
        scheduleDrain()
    }

    private func done(_ batch: ClosedBatch, _ queue: PartitionQueue, _ base: Offset, _ appended: Timestamp) {
        queue.underWay -= 1
        queue.backoffFailures = 0
        settle(batch.charge) {
            for report in batch.reports {
                let offset = base == .none ? Offset.none : base + Int64(report.index)
                let time = appended == .none ? report.timestamp : appended
                report.handler(
                    .success(
                        Delivery(
                            topic: queue.partition.topic, partition: queue.partition.partition, offset: offset,
                            timestamp: time)))
            }
        }
    }

    private func fail(_ batch: ClosedBatch, _ queue: PartitionQueue, _ error: ClientError) {
        if batch.reports.isEmpty { onFailure?(queue.partition, error, batch.recordCount) }
        settle(batch.charge) { for report in batch.reports { report.handler(.failure(error)) } }
    }
}
