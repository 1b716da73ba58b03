(** Theorem B on a net of 64 sine units: its hypotheses can be met, and say something.

    One example with the input anywhere in [-1, 1] and the target 0. The start has all rows 1/8,
    the comparator W_* is zero, so R = 1; with eps = 1/4 the width has to be 64, the step 1/8 will do,
    and 32 rounds are enough. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Training Network thm_trap thm_two_layer.
Open Scope R_scope.

Definition huber (u y : R) : R := sqrt (1 + (u - y) ^ 2) - 1.
Definition huber_slope (u y : R) : R := (u - y) / sqrt (1 + (u - y) ^ 2).
Definition sine_net : rows line 64 -> line -> R := net 64 (fun _ => 1) sin.
Definition start : rows line 64 := fun _ => / 8.

(** Gradient descent with step 1/8 at the points that an attack serves. *)
Definition gradient (x : line) (w : rows line 64) : rows line 64 :=
  (huber_slope (sine_net w x) 0 * net_gradient 64 (fun _ => 1) cos w x)%vec.
Fixpoint run (x : nat -> line) (t : nat) : rows line 64 :=
  match t with O => start | S t => (run x t - 1 / 8 * gradient (x t) (run x t))%vec end.
Definition loss_at (x : line) (w : rows line 64) : R :=
  frozen_loss huber sine_net 1 (fun _ => 0) (fun _ => x) w.

Lemma one_plus u : 0 < 1 + u ^ 2.
Proof. assert (P := pow2_ge_0 u). lra. Qed.

Lemma huber_derive u y : is_derive (fun u => huber u y) u (huber_slope u y).
Proof.
  assert (P := one_plus (u - y)). assert (Q := sqrt_lt_R0 _ P).
  unfold huber, huber_slope. auto_derive.
  - replace ((u + - y) * ((u + - y) * 1)) with ((u - y) ^ 2) by ring. lra.
  - replace (1 + (u + - y) * ((u + - y) * 1)) with (1 + (u - y) ^ 2) by ring. field. lra.
Qed.

Lemma huber_convex : convex_loss huber.
Proof.
  intros y u v s Hs. assert (C := pseudo_huber_convex (u - y + 1) (v - y + 1) s Hs).
  unfold pseudo_huber in C. unfold huber.
  replace (u - y + 1 + s * (v - y + 1 - (u - y + 1)) - 1) with (u + s * (v - u) - y) in C by ring.
  replace (u - y + 1 - 1) with (u - y) in C by ring. replace (v - y + 1 - 1) with (v - y) in C by ring.
  exact C.
Qed.

Lemma huber_lipschitz : lipschitz_loss 1 huber.
Proof.
  intros y. apply bounded_slope_lipschitz with (fun u => huber_slope u y).
  - intros u. apply huber_derive.
  - intros u. assert (P := one_plus (u - y)). assert (Q := sqrt_lt_R0 _ P). unfold huber_slope.
    assert (E : sqrt (1 + (u - y) ^ 2) ^ 2 = 1 + (u - y) ^ 2) by (apply pow2_sqrt; lra).
    set (q := sqrt (1 + (u - y) ^ 2)) in *. apply Rabs_le.
    split; apply Rmult_le_reg_r with q; try easy; unfold Rdiv; rewrite Rmult_assoc, Rinv_l by lra; nra.
Qed.

Lemma gradient_correct (x : line) w : is_gradient (loss_at x) w (gradient x w).
Proof.
  intros v. unfold gradient. rewrite dot_vscal.
  apply (is_derive_ext (fun s => huber (sine_net (w + s * v)%vec x) 0)).
  { intros s. unfold loss_at, frozen_loss, mean. in_reals. simpl. field. }
  rewrite Rmult_comm.
  apply (is_derive_comp (fun u => huber u 0) (fun s => sine_net (w + s * v)%vec x)).
  - rewrite gradient_start. apply huber_derive.
  - apply net_gradient_correct. intros z. apply is_derive_Reals, derivable_pt_lim_sin.
Qed.

Lemma root_64 : sqrt (INR 64) = 8.
Proof. replace (INR 64) with (8 ^ 2) by (simpl; ring). apply sqrt_pow2. lra. Qed.

(** Whatever points the attack serves, the loss there is below 1/4 within 32 rounds;
    at the start, and at the point 1, it is not. *)
Lemma sine_units : forall x : nat -> line,
  (forall t, -1 <= x t <= 1) ->
  (forall t, is_gradient (loss_at (x t)) (run x t) (gradient (x t) (run x t))) /\
  (exists t, (t < 32)%nat /\ loss_at (x t) (run x t) < 1 / 4) /\
  1 / 4 < loss_at 1 start.
Proof.
  intros x Hx. split; [intros t; apply gradient_correct|split].
  - set (B := fun (_ : nat) (x : line) => -1 <= x <= 1).
    destruct (thm_two_layer line 64 (fun _ => 1) sin cos (fun z => - sin z) huber 1 (fun _ => 0) B
      1 1 1 1 (1 / 4) (1 / 8) (fun t _ => x t) (run x) (fun t => gradient (x t) (run x t)) vzero 0 32)
      as [(t & Ht & H) _]; try lra; try lia.
    + intros r. now left.
    + intros z. apply is_derive_Reals, derivable_pt_lim_sin.
    + intros z. apply is_derive_Reals, derivable_pt_lim_cos.
    + intros z. apply Rabs_le. apply COS_bound.
    + intros z. apply Rabs_le. assert (S := SIN_bound z). lra.
    + intros i x' H'. unfold B in H'. apply norm_le; [lra|]. change (x' * x' <= 1 ^ 2). nra.
    + apply huber_convex.
    + intros u y. exists (huber_slope u y). apply huber_derive.
    + apply huber_lipschitz.
    + apply norm_le; [lra|].
      change (total 64 (fun _ => (0 + -1 * / 8) * (0 + -1 * / 8)) <= 1 ^ 2).
      rewrite total_const. simpl. lra.
    + (* the comparator's output is zero everywhere *)
      assert (Z : forall x', huber (net 64 (fun _ => 1) sin (@vzero (rows line 64)) x') 0 = 0).
      { intros x'. assert (N : net 64 (fun _ => 1) sin (@vzero (rows line 64)) x' = 0).
        { unfold net. rewrite (total_ext 64 _ (fun _ => 0)), total_const; [ring|].
          intros r _. change (1 * sin (0 * x') = 0). rewrite Rmult_0_l, sin_0. ring. }
        rewrite N. unfold huber. replace (1 + (0 - 0) ^ 2) with 1 by ring. rewrite sqrt_1. ring. }
      exists (fun _ => 0). split.
      * intros i _. split.
        -- intros l (x' & _ & ->). rewrite Z. lra.
        -- intros b Hb. apply Hb. exists 0. split; [unfold B; lra|now rewrite Z].
      * unfold mean. simpl. field.
    + replace (INR 64) with 64 by (simpl; ring). lra.
    + replace (INR 32) with 32 by (simpl; ring). lra.
    + intros t i _. apply Hx.
    + intros t. apply gradient_correct.
    + reflexivity.
    + exists t. split; [easy|]. unfold loss_at, sine_net. lra.
  - (* the output is 8 sin (1/8), at least 15/16 *)
    assert (S : 15 / 128 <= sin (/ 8)).
    { assert (T := taylor_1 sin cos 1
        ltac:(intros z; apply is_derive_Reals, derivable_pt_lim_sin)).
      assert (L : lipschitz 1 cos).
      { apply bounded_slope_lipschitz with (fun z => - sin z).
        - intros z. apply is_derive_Reals, derivable_pt_lim_cos.
        - intros z. apply Rabs_le. assert (S := SIN_bound z). lra. }
      specialize (T L 0 (/ 8)). rewrite sin_0, cos_0 in T. apply Rabs_le_between in T. lra. }
    assert (N : 15 / 16 <= sine_net start 1).
    { unfold sine_net, net, start. rewrite root_64, (total_ext 64 _ (fun _ => sin (/ 8))), total_const.
      - replace (INR 64) with 64 by (simpl; ring). lra.
      - intros r _. change (1 * sin (/ 8 * 1) = sin (/ 8)). rewrite Rmult_1_r. ring. }
    unfold loss_at, frozen_loss, mean. simpl total. simpl INR. unfold huber.
    set (f := sine_net start 1) in *. replace (f - 0) with f by ring.
    assert (R : 5 / 4 < sqrt (1 + f ^ 2)); [|lra].
    rewrite <- (sqrt_pow2 (5 / 4)) by lra. apply sqrt_lt_1_alt. nra.
Qed.
