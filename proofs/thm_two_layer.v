(** Chapter 07, Theorem B: adversarial training of two layers, without a projection. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Training Network lem_frozen lem_curvature.
Open Scope R_scope.

(** The condition on the step is the book's alpha <= eps / (2 L^2 C0^2), multiplied out. *)
Theorem thm_two_layer :
  forall (X : inner_space) (m : nat) (a : nat -> R) (sigma sigma' sigma'' : R -> R)
    (loss : R -> R -> R) (n : nat) (y : nat -> R) (B : nat -> X -> Prop)
    (C0 C1 L Rad eps alpha : R)
    (x : nat -> nat -> X) (w g : nat -> rows X m) (w_star : rows X m) (robust : R) (T : nat),
  (* the network and its inputs *)
  (0 < m)%nat ->  (* ours: at least one unit *)
  signs a ->  (* book: the two-layer network *)
  (forall z, is_derive sigma z (sigma' z)) ->  (* book: \sigma' *)
  (forall z, is_derive sigma' z (sigma'' z)) ->  (* book: \sigma'' *)
  (forall z, Rabs (sigma' z) <= C0) ->  (* book: \lvert\sigma'\rvert\le C_0 *)
  (forall z, Rabs (sigma'' z) <= C1) ->  (* book: \lvert\sigma''\rvert\le C_1 *)
  (forall i x', B i x' -> norm x' <= 1) ->  (* book: perturbed inputs have norm at most one *)
  (* the loss *)
  convex_loss loss ->  (* book: convex and differentiable in the output *)
  (forall u y, ex_derive (fun u => loss u y) u) ->  (* book: differentiable in the output *)
  lipschitz_loss L loss ->  (* book: with Lipschitz constant $L$ *)
  (* the comparator *)
  0 < Rad ->  (* book: R>0 *)
  norm (w_star - w O) <= Rad ->  (* book: R\ge\lVert W_*-W_0\rVert_F *)
  0 < eps ->  (* book: \varepsilon>0 *)
  is_robust_loss loss (net m a sigma) n y B w_star robust ->  (* book: <L_*(W *)
  (* width, step, horizon *)
  INR m >= (2 * L * C1 * Rad ^ 2 / eps) ^ 2 ->
  (* book: \Bigl(\frac{2LC_1R^2}\varepsilon\Bigr)^2 *)
  0 < alpha ->  (* book: 0<\alpha *)
  alpha * (2 * L ^ 2 * C0 ^ 2) <= eps ->  (* book: \le\frac\varepsilon{2L^2C_0^2} *)
  INR T >= Rad ^ 2 / (alpha * eps) ->  (* book: T\ge\frac{R^2}{\alpha\varepsilon} *)
  (* the run, against any attack *)
  (0 < n)%nat ->  (* ours: at least one example *)
  (forall t i, (i < n)%nat -> B i (x t i)) ->  (* book: For every attack *)
  (forall t, is_gradient (frozen_loss loss (net m a sigma) n y (x t)) (w t) (g t)) ->
  (* book: gradient descent *)
  (forall t, w (S t) = (w t - alpha * g t)%vec) ->  (* book: without projection *)
  let surrogate t := frozen_loss loss (net m a sigma) n y (x t) (w t) in
  (exists t, (t < T)%nat /\ surrogate t < robust + eps)  (* book: +\varepsilon$ for some $t<T$ *)
  /\
  (forall t, (forall s, (s <= t)%nat -> robust + eps <= surrogate s) ->
    norm (w (S t) - w_star) ^ 2 <= norm (w t - w_star) ^ 2 - alpha * eps)
  (* book: falls by at least $\alpha\varepsilon$ at every step *)
  /\
  (forall t, (forall s, (s < t)%nat -> robust + eps <= surrogate s) ->
    norm (w t - w O) <= 2 * Rad).  (* book: \lVert W_t-W_0\rVert_F\le2R *)
Proof.
  intros X m a sigma sigma' sigma'' loss n y B C0 C1 L Rad eps alpha x w g u robust T
    Hm Ha D D' H0 H1 HB Lconv Lder LL HR Hu He Hrob Hwidth Ha0 Hstep HT Hn Hx Hg Hw surrogate.
  assert (slope : is_slope loss (fun u y => Derive (fun u => loss u y) u)).
  { intros b c. apply Derive_correct, Lder. }
  assert (L0 := lipschitz_nonneg L _ (LL 0)).
  assert (P1 := bounded_nonneg C1 sigma'' H1).
  assert (P0 := bounded_nonneg C0 sigma' H0).
  assert (N : 0 < INR m) by now apply lt_0_INR.
  assert (Q : 0 < sqrt (INR m)) by now apply sqrt_lt_R0.
  (* the width, under the root *)
  assert (Hsqrt : 2 * L * C1 * Rad ^ 2 <= eps * sqrt (INR m)).
  { assert (E : sqrt ((2 * L * C1 * Rad ^ 2 / eps) ^ 2) <= sqrt (INR m))
      by (apply sqrt_le_1_alt; lra).
    assert (Z : 0 <= 2 * L * C1 * Rad ^ 2)
      by (apply Rmult_le_pos; [apply Rmult_le_pos; lra|apply pow2_ge_0]).
    rewrite sqrt_pow2 in E by (apply Rdiv_le_0_compat; lra).
    apply (Rmult_le_compat_l eps) in E; [|lra].
    replace (eps * (_ / _)) with (2 * L * C1 * Rad ^ 2) in E by (field; lra). exact E. }
  assert (curvature := fun t v i (Hi : (i < n)%nat) => lem_curvature X m a sigma sigma' sigma'' C0 C1
    (x t i) (w t) v Hm Ha D D' H0 H1 (HB i (x t i) (Hx t i Hi))).
  assert (grad_f : forall t i, (i < n)%nat ->
    is_gradient (fun v => net m a sigma v (x t i)) (w t) (net_gradient m a sigma' (w t) (x t i))).
  { intros t i Hi. apply (curvature t u i Hi). }
  set (Delta t := norm (w t - u)).
  assert (HDelta : forall t, 0 <= Delta t) by (intros; apply norm_pos).
  (* the gap is seen by the gradient *)
  assert (gap : forall t, Delta t <= Rad -> robust + eps <= surrogate t ->
    3 / 4 * eps <= << g t, w t - u >>).
  { intros t HD Hgap.
    assert (NC := nearly_convex loss _ (net m a sigma) n y slope (x t) (w t) (g t)
      (fun i => net_gradient m a sigma' (w t) (x t i)) (grad_f t) Hn L
      (C1 / (2 * sqrt (INR m)) * Rad ^ 2) u Lconv LL (Hg t)).
    assert (F := lem_frozen (rows X m) X loss (net m a sigma) n y B (x t) u robust
      ltac:(intros i Hi; now apply Hx) Hrob).
    assert (Small : L * (C1 / (2 * sqrt (INR m)) * Rad ^ 2) <= eps / 4).
    { apply Rmult_le_reg_l with (4 * sqrt (INR m)); [lra|].
      replace (4 * sqrt (INR m) * (L * _)) with (2 * L * C1 * Rad ^ 2) by (field; lra). lra. }
    assert (NC' : surrogate t + << g t, u - w t >> - L * (C1 / (2 * sqrt (INR m)) * Rad ^ 2)
      <= frozen_loss loss (net m a sigma) n y (x t) u).
    { apply NC. intros i Hi. destruct (curvature t u i Hi) as (_ & _ & _ & T3).
      eapply Rle_trans; [apply T3|]. apply Rmult_le_compat_l.
      - apply Rdiv_le_0_compat; lra.
      - rewrite norm_minus_sym. apply pow_incr. split; [apply norm_pos|exact HD]. }
    expand_in NC'. expand. lra. }
  (* gradients have norm at most L C0 *)
  assert (small : forall t, norm (g t) <= L * C0).
  { intros t. apply (frozen_gradient_norm loss _ (net m a sigma) n y slope (x t) (w t) (g t)
      (fun i => net_gradient m a sigma' (w t) (x t i))); try easy.
    - now apply grad_f.
    - intros i Hi. apply (curvature t u i Hi). }
  (* the distance falls *)
  assert (falls : forall t, Delta t <= Rad -> robust + eps <= surrogate t ->
    Delta (S t) ^ 2 <= Delta t ^ 2 - alpha * eps).
  { intros t HD Hgap. unfold Delta. rewrite !norm_sqr, Hw.
    change (@vadd (rows X m) (@vadd (rows X m) (w t) (-1 * (alpha * g t))%vec) (-1 * u)%vec)
      with (w t - alpha * g t - u)%vec. rewrite sqr_step.
    specialize (gap t HD Hgap).
    assert (G2 := norm_le_sqr _ _ (small t)).
    assert (P := dot_pos _ (g t)). set (gg := << g t, g t >>) in *.
    set (gu := << g t, w t - u >>) in *.
    assert (alpha ^ 2 * gg <= alpha * (eps / 2)).
    { replace (alpha ^ 2 * gg) with (alpha * (alpha * gg)) by ring.
      apply Rmult_le_compat_l; [lra|]. apply Rle_trans with (alpha * (L * C0) ^ 2); nra. }
    nra. }
  (* induction: while the gap is open the distance stays below Rad, and falls by alpha eps *)
  assert (D0 : Delta O <= Rad) by (unfold Delta; now rewrite norm_minus_sym).
  assert (stays : forall t, (forall s, (s < t)%nat -> robust + eps <= surrogate s) ->
    Delta t <= Rad /\ Delta t ^ 2 <= Rad ^ 2 - INR t * (alpha * eps)).
  { induction t as [|t IH]; intros Hopen.
    - split; [easy|]. rewrite Rmult_0_l, Rminus_0_r. apply pow_incr. now split.
    - destruct IH as [IH1 IH2]; [intros; apply Hopen; lia|].
      assert (Fa := falls t IH1 (Hopen t (le_n _))).
      assert (Pae : 0 < alpha * eps) by nra.
      split.
      + apply Rsqr_incr_0_var; [|lra]. unfold Rsqr.
        assert (Delta t ^ 2 <= Rad ^ 2) by (apply pow_incr; now split). nra.
      + rewrite S_INR. lra. }
  split; [|split].
  - (* the end: the gap cannot be open for all t < T *)
    assert (TP : 0 < INR T).
    { assert (0 < Rad ^ 2 / (alpha * eps)) by (apply Rdiv_lt_0_compat; nra). lra. }
    assert (Hmin := least_index T surrogate). destruct Hmin as (k & Hk & Hkmin).
    { apply INR_lt. simpl. lra. }
    destruct (Rlt_or_le (surrogate k) (robust + eps)) as [Hlt|Hge]; [now exists k|exfalso].
    assert (Hopen : forall s, (s < T)%nat -> robust + eps <= surrogate s).
    { intros s Hs. specialize (Hkmin s Hs). lra. }
    destruct T as [|T]; [simpl in TP; lra|].
    destruct (stays T) as [S1 S2]; [intros; apply Hopen; lia|].
    assert (G := gap T S1 (Hopen T (le_n _))).
    (* while the gap is open, 3/4 eps <= L C0 Delta *)
    assert (C := dot_le (g T) (w T - u)%vec). fold (Delta T) in C.
    assert (E1 : 3 / 4 * eps <= L * C0 * Delta T).
    { eapply Rle_trans; [exact G|]. eapply Rle_trans; [exact C|].
      apply Rmult_le_compat_r; [apply HDelta|apply small]. }
    assert (E2 : (3 / 4 * eps) ^ 2 <= (L * C0) ^ 2 * Delta T ^ 2).
    { rewrite <- Rpow_mult_distr. apply pow_incr. lra. }
    (* but at the last step the distance would be at most alpha eps *)
    assert (E3 : Delta T ^ 2 <= alpha * eps).
    { assert (Pae : 0 < alpha * eps) by nra.
      assert (E : Rad ^ 2 <= INR (S T) * (alpha * eps)).
      { apply Rge_le in HT. apply (Rmult_le_compat_r (alpha * eps)) in HT; [|lra].
        replace (_ / _ * _) with (Rad ^ 2) in HT by (field; lra). exact HT. }
      rewrite S_INR in E. lra. }
    assert (E4 : (L * C0) ^ 2 * Delta T ^ 2 <= (L * C0) ^ 2 * (alpha * eps))
      by (apply Rmult_le_compat_l; [apply pow2_ge_0|easy]).
    assert (E5 : (L * C0) ^ 2 * (alpha * eps) <= eps / 2 * eps) by nra.
    nra.
  - intros t Hopen. apply falls; [|apply Hopen; lia]. apply stays. intros s Hs. apply Hopen. lia.
  - intros t Hopen. destruct (stays t Hopen) as [S1 _].
    assert (E : (w t - w O)%vec = ((w t - u) + (u - w O))%vec).
    { rewrite <- vadd_assoc. f_equal. rewrite vadd_assoc, (vadd_comm _ (-1 * u)%vec u), vadd_opp.
      now rewrite vadd_comm, vadd_zero. }
    rewrite E. eapply Rle_trans; [apply norm_triangle|]. fold (Delta t). lra.
Qed.
