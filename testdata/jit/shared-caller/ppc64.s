	.text
	.file	"caller.c"
	.globl	_start                          # -- Begin function _start
	.p2align	4
	.type	_start,@function
	.section	.opd,"aw",@progbits
_start:                                 # @_start
	.p2align	3
	.quad	.Lfunc_begin0
	.quad	.TOC.@tocbase
	.quad	0
	.text
.Lfunc_begin0:
# %bb.0:
	mflr 0
	std 0, 16(1)
	stdu 1, -160(1)
	addis 3, 2, .LC0@toc@ha
	addis 4, 2, .LC1@toc@ha
	std 28, 128(1)                          # 8-byte Folded Spill
	std 29, 136(1)                          # 8-byte Folded Spill
	std 30, 144(1)                          # 8-byte Folded Spill
	addis 5, 2, trace@toc@ha
	addis 6, 2, lookup@toc@ha
	addis 7, 2, loop@toc@ha
	ld 3, .LC0@toc@l(3)
	ld 4, .LC1@toc@l(4)
	addi 5, 5, trace@toc@l
	addi 6, 6, lookup@toc@l
	addi 7, 7, loop@toc@l
	std 3, 120(1)
	addis 3, 2, now@toc@ha
	std 5, 16(4)
	std 6, 24(4)
	std 7, 8(4)
	addi 3, 3, now@toc@l
	std 3, 0(4)
	addis 3, 2, _start.context@toc@ha
	addi 30, 3, _start.context@toc@l
	mr	3, 30
	bl prog
	nop
	ld 4, 120(1)
	mr	29, 3
	std 2, 40(1)
	ld 3, 0(4)
	ld 11, 16(4)
	ld 2, 8(4)
	mtctr 3
	mr	3, 30
	bctrl
	ld 2, 40(1)
	addis 4, 2, calls@toc@ha
	mr	28, 3
	ld 30, calls@toc@l(4)
	bl lib_map_numbers
	nop
	lwz 4, 8(3)
	ld 5, 24(3)
	mr	6, 30
	addi 4, 4, 7
	add 3, 3, 5
	mr	5, 28
	rotldi	4, 4, 61
	rldic 4, 4, 4, 31
	ldx 7, 3, 4
	addis 3, 2, .L.str@toc@ha
	mr	4, 29
	addi 3, 3, .L.str@toc@l
	bl printf
	nop
	li 3, 0
	bl exit
	nop
	ld 30, 144(1)                           # 8-byte Folded Reload
	ld 29, 136(1)                           # 8-byte Folded Reload
	ld 28, 128(1)                           # 8-byte Folded Reload
	addi 1, 1, 160
	ld 0, 16(1)
	mtlr 0
	blr
	.long	0
	.quad	0
.Lfunc_end0:
	.size	_start, .Lfunc_end0-.Lfunc_begin0
                                        # -- End function
	.p2align	4                               # -- Begin function now
	.type	now,@function
	.section	.opd,"aw",@progbits
now:                                    # @now
	.p2align	3
	.quad	.Lfunc_begin1
	.quad	.TOC.@tocbase
	.quad	0
	.text
.Lfunc_begin1:
# %bb.0:
	addis 4, 2, calls@toc@ha
	ld 3, calls@toc@l(4)
	addi 5, 3, 1
	li 3, 1000
	std 5, calls@toc@l(4)
	blr
	.long	0
	.quad	0
.Lfunc_end1:
	.size	now, .Lfunc_end1-.Lfunc_begin1
                                        # -- End function
	.p2align	4                               # -- Begin function trace
	.type	trace,@function
	.section	.opd,"aw",@progbits
trace:                                  # @trace
	.p2align	3
	.quad	.Lfunc_begin2
	.quad	.TOC.@tocbase
	.quad	0
	.text
.Lfunc_begin2:
# %bb.0:
	mflr 0
	std 0, 16(1)
	stdu 1, -112(1)
	mr	8, 7
	mr	7, 6
	mr	6, 5
	mr	5, 4
	addis 4, 2, calls@toc@ha
	ld 9, calls@toc@l(4)
	mr	4, 3
	addis 3, 2, .L.str.1@toc@ha
	addi 3, 3, .L.str.1@toc@l
	bl printf
	nop
	li 3, 1
	addi 1, 1, 112
	ld 0, 16(1)
	mtlr 0
	blr
	.long	0
	.quad	0
.Lfunc_end2:
	.size	trace, .Lfunc_end2-.Lfunc_begin2
                                        # -- End function
	.p2align	4                               # -- Begin function lookup
	.type	lookup,@function
	.section	.opd,"aw",@progbits
lookup:                                 # @lookup
	.p2align	3
	.quad	.Lfunc_begin3
	.quad	.TOC.@tocbase
	.quad	0
	.text
.Lfunc_begin3:
# %bb.0:
	mflr 0
	std 0, 16(1)
	stdu 1, -128(1)
	std 30, 112(1)                          # 8-byte Folded Spill
	mr	30, 3
	lwz 5, 0(4)
	addi 4, 3, 40
	addis 3, 2, .L.str.2@toc@ha
	addi 3, 3, .L.str.2@toc@l
	bl printf
	nop
	bl lib_map_others
	nop
	addis 4, 2, kept@toc@ha
	cmpld	3, 30
	ld 30, 112(1)                           # 8-byte Folded Reload
	addi 3, 4, kept@toc@l
	li 4, 0
	iseleq	3, 3, 4
	addi 1, 1, 128
	ld 0, 16(1)
	mtlr 0
	blr
	.long	0
	.quad	0
.Lfunc_end3:
	.size	lookup, .Lfunc_end3-.Lfunc_begin3
                                        # -- End function
	.p2align	4                               # -- Begin function loop
	.type	loop,@function
	.section	.opd,"aw",@progbits
loop:                                   # @loop
	.p2align	3
	.quad	.Lfunc_begin4
	.quad	.TOC.@tocbase
	.quad	0
	.text
.Lfunc_begin4:
# %bb.0:
	mflr 0
	std 0, 16(1)
	stdu 1, -176(1)
	cmpldi	3, 0
	std 25, 120(1)                          # 8-byte Folded Spill
	std 26, 128(1)                          # 8-byte Folded Spill
	std 27, 136(1)                          # 8-byte Folded Spill
	std 28, 144(1)                          # 8-byte Folded Spill
	std 29, 152(1)                          # 8-byte Folded Spill
	std 30, 160(1)                          # 8-byte Folded Spill
	beq	0, .LBB4_4
# %bb.1:
	ld 26, 8(4)
	ld 28, 16(4)
	ld 25, 0(4)
	mr	29, 5
	mr	30, 3
	li 27, 0
	std 2, 40(1)
	.p2align	4
.LBB4_2:                                # =>This Inner Loop Header: Depth=1
	mtctr 25
	mr	3, 27
	mr	4, 29
	li 5, 0
	li 6, 0
	li 7, 0
	mr	2, 26
	mr	11, 28
	bctrl
	ld 2, 40(1)
	cmpldi	3, 0
	bne	0, .LBB4_5
# %bb.3:                                #   in Loop: Header=BB4_2 Depth=1
	addi 27, 27, 1
	cmpld	30, 27
	bne	0, .LBB4_2
	b .LBB4_6
.LBB4_4:
	li 30, 0
	b .LBB4_6
.LBB4_5:
	addi 30, 27, 1
.LBB4_6:
	mr	3, 30
	ld 30, 160(1)                           # 8-byte Folded Reload
	ld 29, 152(1)                           # 8-byte Folded Reload
	ld 28, 144(1)                           # 8-byte Folded Reload
	ld 27, 136(1)                           # 8-byte Folded Reload
	ld 26, 128(1)                           # 8-byte Folded Reload
	ld 25, 120(1)                           # 8-byte Folded Reload
	addi 1, 1, 176
	ld 0, 16(1)
	mtlr 0
	blr
	.long	0
	.quad	0
.Lfunc_end4:
	.size	loop, .Lfunc_end4-.Lfunc_begin4
                                        # -- End function
	.type	_start.context,@object          # @_start.context
	.data
_start.context:
	.byte	4                               # 0x4
	.space	63
	.size	_start.context, 64

	.type	.L.str,@object                  # @.str
	.section	.rodata.str1.1,"aMS",@progbits,1
.L.str:
	.asciz	"%llu %llu %llu %llu\n"
	.size	.L.str, 21

	.type	calls,@object                   # @calls
	.lcomm	calls,8,8
	.type	.L.str.1,@object                # @.str.1
.L.str.1:
	.asciz	"trace %s %llu %llu %llu %llu %llu\n"
	.size	.L.str.1, 35

	.type	.L.str.2,@object                # @.str.2
.L.str.2:
	.asciz	"lookup %s %u\n"
	.size	.L.str.2, 14

	.type	kept,@object                    # @kept
	.data
	.p2align	3
kept:
	.quad	7                               # 0x7
	.size	kept, 8

	.ident	"Debian clang version 14.0.6"
	.section	".note.GNU-stack","",@progbits
	.section	.toc,"aw",@progbits
.LC0:
	.tc prog[TC],prog
.LC1:
	.tc lib_helpers[TC],lib_helpers
