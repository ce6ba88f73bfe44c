// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package datachannel is the client's end of a Session Manager data channel: a
// WebSocket over which a client and the agent on a node exchange bytes.
//
// It does not know Terraform or the API of SSM. The caller passes the result of
// StartSession, and a function that resumes the session when the WebSocket
// breaks. No byte is then lost or repeated: the channel keeps each message until
// the agent acknowledges it. The rules are in docs/design/0007-data-channel.md.
//
// These are known faults of other clients, each with the test that covers it:
//
//	a lost acknowledgement stops the transfer  TestChannel_faultsOnTheWay, TestOpen_repeatedRequest
//	old agents acknowledge only once           TestOldAgent_doesNotAcknowledgeAgain
//	a lone line break is changed               TestWrite_lineBreaksStayAsTheyAre, TestChannel_lineBreaks
//	the list of messages has no lock           TestWrite_fromManyGoroutines, with the race detector
//	a message is recorded too late             TestWrite_onRecordBeforeItIsSent
//	a late message is resent all the time      TestResend_backsOff
//	a write in a gap fails                     TestWrite_isKeptOverAGap
//	pongs are not watched                      TestTend_silentSocketIsReplaced
//	the socket answers, but the tunnel is dead TestTend_deadTunnelIsNoticed
//	old messages are evicted                   TestWrite_blocksWhenTheWindowIsFull
//	a pause loses data, or causes a storm      TestPause_keepsDataAndSendsLittle
//	the process exits instead of an error      TestTerminate, TestResume_sessionIsOver
//	a reconnect goes to the old URL            TestResume_closeFrameIsNotTheEnd
//	credentials are frozen                     TestDial_isSigned
//	reconnects stop after seconds              TestResume_triesForMinutes
//	idle sessions die in half a minute         TestOpen_talks, TestAgent_versions
//	uploads are slow                           BenchmarkChannel
//	a refused target looks like success        TestFlag_comesInOrder
//	the socket is refused                      TestDial_refused, TestDial_firstAttemptMayFail
//	the handshake never comes                  TestOpen_handshakeNeverComes
//	proxies and private certificates           TestDial_throughTheTransport
//	errors have no structure                   TestOpen_refuses, TestHostile_endsWithAnError
package datachannel
