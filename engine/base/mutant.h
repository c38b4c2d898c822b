// Deliberate bugs: each breaks one ordering or one check that the engine must keep, and the tests
// must find it ("Mutants" in docs/testing.md, which says what each breaks and who finds it).
//
//   if (!IsMutant(Mutant::kSkipDataFlush)) ESPALIER_RETURN_IF_ERROR(mapping.Sync(0, length));
//
// They are compiled in with -DESPALIER_MUTANTS only (`bazel --config=mutants`), where
// $ESPALIER_MUTANT chooses the one to be; elsewhere IsMutant() is the constant false.
#ifndef ESPALIER_ENGINE_BASE_MUTANT_H_
#define ESPALIER_ENGINE_BASE_MUTANT_H_

#define ESPALIER_FOR_EACH_MUTANT(M) \
  M(SkipDataFlush)                  \
  M(FlushNodesOnly)                 \
  M(SlotBeforeData)                 \
  M(SkipSlotFlush)                  \
  M(SlotBeforeLog)                  \
  M(SkipSealing)                    \
  M(RecycleEarly)                   \
  M(PublishBeforeSlot)              \
  M(RemoveLogEarly)                 \
  M(KeepCleanMark)                  \
  M(AcknowledgeWithoutFlush)        \
  M(AcknowledgeFollowersEarly)      \
  M(VisibleBeforeDurable)           \
  M(AsyncOvertakesSync)             \
  M(AsyncInMemory)                  \
  M(DoNotWaitDurable)               \
  M(LogUponUnlogged)                \
  M(ShareFlushedBlock)              \
  M(ShareCheckpointBlock)           \
  M(SkipLogDirectoryFlush)          \
  M(NoRecordChecksum)               \
  M(NoChain)                        \
  M(SkipRunFlush)                   \
  M(ChooseOlderSlot)                \
  M(NoConnectCheck)                 \
  M(TrustCleanSlot)                 \
  M(TrustUnreadableLog)             \
  M(ReplayPastBadRecord)            \
  M(ReplayUnsoundRun)               \
  M(ReplayUnsoundLeaf)              \
  M(TakeOtherLeaves)                \
  M(TakeOtherRuns)                  \
  M(RecoverFromCache)               \
  M(SkipFoundLogFlush)              \
  M(SkipFoundRunFlush)              \
  M(SkipFoundSlotFlush)             \
  M(SkipGenerationFlush)            \
  M(RecycleInRecovery)              \
  M(IgnoreFlushError)               \
  M(NoPoison)                       \
  M(ForgetRunError)                 \
  M(TellLeaderOnly)                 \
  M(ShortWriteIsWhole)              \
  M(KeepFailedMember)               \
  M(NameBeforeContent)              \
  M(SkipDirectoryFlush)             \
  M(CreateOverExisting)             \
  M(OpenTwice)                      \
  M(NoLock)                         \
  M(ReaderDoesNotLock)              \
  M(KeepLockInForkChild)            \
  M(ChangeInPlace)                  \
  M(ReusePinnedPages)               \
  M(ReuseDurablePages)              \
  M(ReuseFrozenPages)               \
  M(ReuseLoggedRun)                 \
  M(ReuseLoggedLeaf)                \
  M(LogReservedTwice)               \
  M(ForgetUndecidedReader)          \
  M(TruncateWaitingPages)           \
  M(GrowSparse)                     \
  M(ForgetHoles)                    \
  M(NoRandomAdvice)                 \
  M(NoSlotChecksum)                 \
  M(NoPageChecksum)                 \
  M(NoValueChecksum)                \
  M(NoTagCheck)                     \
  M(TrustSpaceMap)                  \
  M(TrustPageCount)                 \
  M(ForgetFault)                    \
  M(FlushWhatFaulted)               \
  M(LogWhatFaulted)

namespace espalier {

enum class Mutant {
#define ESPALIER_MUTANT_ENUMERATOR(name) k##name,
  ESPALIER_FOR_EACH_MUTANT(ESPALIER_MUTANT_ENUMERATOR)
#undef ESPALIER_MUTANT_ENUMERATOR
};

#ifdef ESPALIER_MUTANTS
bool IsMutant(Mutant mutant);
#else
constexpr bool IsMutant(Mutant /*mutant*/) { return false; }
#endif

}  // namespace espalier

#endif  // ESPALIER_ENGINE_BASE_MUTANT_H_
