(** Chapter 03, gradient and curvature of a two-layer network. *)

From Coq Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Network.
Open Scope R_scope.

Theorem lem_curvature :
  forall (X : inner_space) (m : nat) (a : nat -> R) (sigma sigma' sigma'' : R -> R)
    (C0 C1 : R) (x : X) (w w' : rows X m),
  (0 < m)%nat ->  (* ours: at least one unit *)
  signs a ->  (* ours: part of the definition of the network *)
  (forall z, is_derive sigma z (sigma' z)) ->  (* book: \sigma' *)
  (forall z, is_derive sigma' z (sigma'' z)) ->  (* book: \sigma'' *)
  (forall z, Rabs (sigma' z) <= C0) ->  (* book: \lvert\sigma'\rvert\le C_0 *)
  (forall z, Rabs (sigma'' z) <= C1) ->  (* book: \lvert\sigma''\rvert\le C_1 *)
  norm x <= 1 ->  (* book: \lVert x\rVert\le1 *)
  is_gradient (fun w => net m a sigma w x) w (net_gradient m a sigma' w x)
  /\
  norm (net_gradient m a sigma' w x) <= C0  (* book: \lVert\nabla f(W,x)\rVert_F\le C_0 *)
  /\
  norm (net_gradient m a sigma' w' x - net_gradient m a sigma' w x)
    <= C1 / sqrt (INR m) * norm (w' - w)  (* book: \le\frac{C_1}{\sqrt m}\lVert W'-W\rVert_F *)
  /\
  Rabs (net m a sigma w' x - net m a sigma w x - << net_gradient m a sigma' w x, w' - w >>)
    <= C1 / (2 * sqrt (INR m)) * norm (w' - w) ^ 2.
  (* book: \le\frac{C_1}{2\sqrt m}\lVert W'-W\rVert_F^2 *)
Proof.
  intros X m a sigma sigma' sigma'' C0 C1 x w w' Hm Ha D D' H0 H1 Hx.
  assert (Q := inv_sqrt_width Hm). assert (QQ := inv_sqrt_width_sqr Hm).
  set (q := / sqrt (INR m)) in *.
  assert (P0 := bounded_nonneg C0 sigma' H0).
  assert (P1 := bounded_nonneg C1 sigma'' H1).
  assert (HL : lipschitz C1 sigma') by now apply bounded_slope_lipschitz with sigma''.
  assert (Hxx : << x, x >> <= 1) by (apply norm_le_sqr in Hx; lra).
  assert (Hxx0 := dot_pos X x).
  (* u r: what the move does to unit r; it is at most the move of the row *)
  set (u := fun r => << w' r - w r, x >>).
  assert (Hu : total m (fun r => u r ^ 2) <= << w' - w, w' - w >>).
  { rewrite dot_rows. apply total_le. intros r _. now apply row_change_sqr. }
  split; [now apply net_gradient_correct|]. split; [|split].
  - (* 1. |gradient|^2 = 1/m sum of sigma'(<w_r, x>)^2 |x|^2 *)
    apply norm_le; [easy|]. rewrite dot_rows.
    apply Rle_trans with (total m (fun _ => q ^ 2 * C0 ^ 2)).
    + apply total_le. intros r _. unfold net_gradient. fold q. expand.
      assert (S := signs_sqr a r Ha). assert (B := H0 << w r, x >>).
      assert (B2 : sigma' << w r, x >> ^ 2 <= C0 ^ 2) by now apply pow_maj_Rabs.
      set (s := sigma' << w r, x >>) in *.
      replace (q * a r * s * (q * a r * s * << x, x >>))
        with (q ^ 2 * (a r ^ 2 * s ^ 2 * << x, x >>)) by ring. rewrite S.
      apply Rmult_le_compat_l; [apply pow2_ge_0|]. assert (Z := pow2_ge_0 s). nra.
    + rewrite total_const. nra.
  - (* 2. mean value theorem in every unit *)
    apply norm_le.
    { apply Rmult_le_pos; [|apply norm_pos]. unfold Rdiv. fold q. nra. }
    rewrite Rpow_mult_distr, norm_sqr. unfold Rdiv. fold q.
    apply Rle_trans with ((C1 * q) ^ 2 * total m (fun r => u r ^ 2)).
    2: { apply Rmult_le_compat_l; [apply pow2_ge_0|easy]. }
    rewrite dot_rows, <- total_scal. apply total_le. intros r _.
    change ((net_gradient m a sigma' w' x - net_gradient m a sigma' w x)%vec r)
      with (q * a r * sigma' << w' r, x >> * x - q * a r * sigma' << w r, x >> * x)%vec.
    assert (S := signs_sqr a r Ha). assert (B := HL << w r, x >> << w' r, x >>).
    assert (E : << w' r, x >> - << w r, x >> = u r) by (unfold u; expand; ring).
    rewrite E in B. expand.
    set (s := sigma' << w r, x >>) in *. set (s' := sigma' << w' r, x >>) in *.
    assert (B2 : (s' - s) ^ 2 <= C1 ^ 2 * u r ^ 2).
    { rewrite <- (pow2_abs (s' - s)), <- (pow2_abs (u r)), <- Rpow_mult_distr.
      apply pow_incr. split; [apply Rabs_pos|easy]. }
    replace (_ + _) with (q ^ 2 * (a r ^ 2 * (s' - s) ^ 2 * << x, x >>)) by ring. rewrite S.
    replace ((C1 * q) ^ 2 * u r ^ 2) with (q ^ 2 * (C1 ^ 2 * u r ^ 2)) by ring.
    apply Rmult_le_compat_l; [apply pow2_ge_0|]. assert (Z := pow2_ge_0 (s' - s)). nra.
  - (* 3. Taylor's theorem in every unit, then add up *)
    rewrite dot_net_gradient. unfold net. fold q.
    rewrite <- !Rmult_minus_distr_l, <- !total_minus, Rabs_mult, (Rabs_pos_eq q) by lra.
    rewrite norm_sqr.
    replace (C1 / (2 * sqrt (INR m))) with (q * (C1 / 2)).
    2: { unfold q. field. apply Rgt_not_eq, sqrt_lt_R0, lt_0_INR. easy. }
    rewrite Rmult_assoc. apply Rmult_le_compat_l; [lra|].
    eapply Rle_trans; [apply total_abs|].
    apply Rle_trans with (C1 / 2 * total m (fun r => u r ^ 2)).
    2: { apply Rmult_le_compat_l; lra. }
    rewrite <- total_scal. apply total_le. intros r _.
    assert (T := taylor_1 sigma sigma' C1 D HL << w r, x >> << w' r, x >>).
    change ((w' - w)%vec r) with (w' r - w r)%vec. fold (u r).
    assert (E : << w' r, x >> - << w r, x >> = u r) by (unfold u; expand; ring).
    rewrite E in T.
    replace (_ - _ - _) with
      (a r * (sigma << w' r, x >> - sigma << w r, x >> - sigma' << w r, x >> * u r)) by ring.
    rewrite Rabs_mult, signs_abs by easy. lra.
Qed.
